//! What keeps expressions from going on for ever. Each value that passes a pipe, a loop or a definition costs a step, and a long one
//! more; the filter that takes the steps is put in when an expression is read.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

/// The filter that takes a step and gives its input.
pub const STEP: &str = "!step";

/// The filter that multiplies its arguments, if what comes of it is not too long.
pub const TIMES: &str = "!times";

/// What a value is multiplied with; no expression can be about it.
const FACTOR: &str = "$!factor";

type Names<'a> = Vec<(&'a str, usize)>;

/// All terms within a term, by what is done to each.
fn each<'a>(
    term: Term<&'a str>,
    change: &mut impl FnMut(Term<&'a str>) -> Term<&'a str>,
) -> Term<&'a str> {
    let mut boxed = |term: Box<Term<&'a str>>| Box::new(change(*term));
    match term {
        Term::Str(format, parts) => {
            let parts = parts.into_iter().map(|part| match part {
                StrPart::Term(term) => StrPart::Term(change(term)),
                other => other,
            });
            Term::Str(format, parts.collect())
        }
        Term::Arr(inner) => Term::Arr(inner.map(boxed)),
        Term::Neg(inner) => Term::Neg(boxed(inner)),
        Term::Obj(entries) => {
            let entries = entries
                .into_iter()
                .map(|(key, value)| (change(key), value.map(&mut *change)));
            Term::Obj(entries.collect())
        }
        Term::BinOp(left, op, right) => Term::BinOp(boxed(left), op, boxed(right)),
        Term::Label(name, inner) => Term::Label(name, boxed(inner)),
        Term::Fold(name, source, pattern, terms) => {
            let source = boxed(source);
            Term::Fold(
                name,
                source,
                pattern,
                terms.into_iter().map(change).collect(),
            )
        }
        Term::TryCatch(inner, catch) => {
            let inner = boxed(inner);
            Term::TryCatch(inner, catch.map(boxed))
        }
        Term::IfThenElse(cases, otherwise) => {
            let cases = cases
                .into_iter()
                .map(|(test, then)| (change(test), change(then)))
                .collect();
            Term::IfThenElse(cases, otherwise.map(|term| Box::new(change(*term))))
        }
        Term::Def(defs, inner) => {
            let defs = defs.into_iter().map(|def| Def {
                body: change(def.body),
                ..def
            });
            let defs = defs.collect();
            Term::Def(defs, Box::new(change(*inner)))
        }
        Term::Call(name, args) => Term::Call(name, args.into_iter().map(change).collect()),
        Term::Path(inner, Path(parts)) => {
            let inner = boxed(inner);
            let parts = parts.into_iter().map(|(part, opt)| {
                let part = match part {
                    Part::Index(term) => Part::Index(change(term)),
                    Part::Range(from, to) => {
                        Part::Range(from.map(&mut *change), to.map(&mut *change))
                    }
                };
                (part, opt)
            });
            Term::Path(inner, Path(parts.collect()))
        }
        other => other,
    }
}

fn stepped(term: Term<&str>) -> Term<&str> {
    let step = Term::Call(STEP, Vec::new());
    Term::BinOp(Box::new(step), BinaryOp::Pipe(None), Box::new(term))
}

/// The same, with steps.
pub fn counted(term: Term<&str>) -> Term<&str> {
    let term = each(term, &mut counted);
    match term {
        Term::BinOp(left, op @ BinaryOp::Pipe(_), right) => {
            Term::BinOp(left, op, Box::new(stepped(*right)))
        }
        Term::Fold(name, source, pattern, terms) => {
            // The first of them begins, the others are run for each value.
            let terms = terms.into_iter().enumerate();
            let terms = terms.map(|(at, term)| if at == 0 { term } else { stepped(term) });
            Term::Fold(name, source, pattern, terms.collect())
        }
        Term::Def(defs, inner) => {
            let defs = defs.into_iter().map(|def| Def {
                body: stepped(def.body),
                ..def
            });
            Term::Def(defs.collect(), inner)
        }
        Term::BinOp(left, BinaryOp::Math(Math::Mul), right) => {
            Term::Call(TIMES, vec![*left, *right])
        }
        // `l *= r` is `r as $factor | l |= . * $factor`.
        Term::BinOp(left, BinaryOp::UpdateMath(Math::Mul), right) => {
            let product = Term::Call(TIMES, vec![Term::Id, Term::Var(FACTOR)]);
            let update = Term::BinOp(left, BinaryOp::Update, Box::new(product));
            let named = BinaryOp::Pipe(Some(Pattern::Var(FACTOR)));
            Term::BinOp(right, named, Box::new(update))
        }
        // It gives as many values as it is asked for.
        term @ Term::Call("range", _) => {
            let step = Term::Call(STEP, Vec::new());
            Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(step))
        }
        other => other,
    }
}

/// The terms right within a term.
fn children<'t, 'a>(term: &'t Term<&'a str>) -> Vec<&'t Term<&'a str>> {
    match term {
        Term::Str(_, parts) => {
            let terms = parts.iter().filter_map(|part| match part {
                StrPart::Term(term) => Some(term),
                _ => None,
            });
            terms.collect()
        }
        Term::Arr(inner) => inner.as_deref().into_iter().collect(),
        Term::Neg(inner) | Term::Label(_, inner) => vec![inner],
        Term::Obj(entries) => entries
            .iter()
            .flat_map(|(key, value)| [Some(key), value.as_ref()])
            .flatten()
            .collect(),
        Term::BinOp(left, _, right) => vec![left, right],
        Term::Fold(_, source, _, terms) => std::iter::once(&**source).chain(terms).collect(),
        Term::TryCatch(inner, catch) => std::iter::once(&**inner).chain(catch.as_deref()).collect(),
        Term::IfThenElse(cases, otherwise) => {
            let cases = cases.iter().flat_map(|(test, then)| [test, then]);
            cases.chain(otherwise.as_deref()).collect()
        }
        Term::Def(defs, inner) => defs.iter().map(|def| &def.body).chain([&**inner]).collect(),
        Term::Call(_, args) => args.iter().collect(),
        Term::Path(inner, Path(parts)) => {
            let parts = parts.iter().flat_map(|(part, _)| match part {
                Part::Index(term) => [Some(term), None],
                Part::Range(from, to) => [from.as_ref(), to.as_ref()],
            });
            std::iter::once(&**inner).chain(parts.flatten()).collect()
        }
        _ => Vec::new(),
    }
}

fn visit<'t, 'a>(term: &'t Term<&'a str>, look: &mut impl FnMut(&'t Term<&'a str>)) {
    look(term);
    for child in children(term) {
        visit(child, look);
    }
}

/// The filters that an expression calls and does not define itself.
pub fn calls<'a>(term: &Term<&'a str>) -> Names<'a> {
    let mut own: Names<'a> = Vec::new();
    let mut params: Vec<&'a str> = Vec::new();
    let mut called: Names<'a> = Vec::new();
    visit(term, &mut |term| match term {
        Term::Def(defs, _) => {
            for def in defs {
                own.push((def.name, def.args.len()));
                params.extend(&def.args);
            }
        }
        Term::Call(name, args) => called.push((name, args.len())),
        Term::Str(Some(format), _) => called.push((format, 0)),
        _ => {}
    });
    called.retain(|(name, arity)| {
        !(own.contains(&(name, *arity)) || *arity == 0 && params.contains(name))
    });
    called
}

/// A definition that calls itself takes stack with each turn.
pub fn refuse_recursion(term: &Term<&str>) -> Result<(), String> {
    let mut found = None;
    visit(term, &mut |term| {
        let Term::Def(defs, _) = term else { return };
        for def in defs {
            let mut look = |inner: &Term<&str>| {
                if matches!(inner, Term::Call(name, args) if *name == def.name && args.len() == def.args.len())
                {
                    found = Some(def.name.to_owned());
                }
            };
            visit(&def.body, &mut look);
        }
    });
    match found {
        Some(name) => Err(format!(
            "{name:?} calls itself: write it with recurse, while or until"
        )),
        None => Ok(()),
    }
}
