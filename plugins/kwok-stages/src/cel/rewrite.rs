//! What is done to an expression once it is read.

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue, SelectExpr,
};
use cel::common::types::{CelInt, CelString};

/// KWOK's functions, which are methods too.
const KWOK: [&str; 5] = ["Now", "Rand", "SinceSecond", "UnixSecond", "Quantity"];
/// The standard ones that this plugin has.
const STANDARD: [&str; 34] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "has",
    "value",
    "hasValue",
    "or",
    "orValue",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "of",
    "none",
    "ofNonZeroValue",
    "map",
    "filter",
    "all",
    "exists",
    "exists_one",
    "optMap",
    "optFlatMap",
    "existsOne",
];
const TYPES: [&str; 11] = [
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional",
];

/// A field of a pod or node, by [`super::functions`].
pub const FIELD: &str = "@field";
/// Whether there is one.
pub const HAS: &str = "@has";
/// What a loop goes over, and of how many parts one turn is.
pub const COUNTED: &str = "@counted";

fn children(expr: &Expr) -> Vec<&IdedExpr> {
    match expr {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Comprehension(inner) => vec![
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(of_entry).collect(),
        Expr::Struct(made) => made.entries.iter().flat_map(of_entry).collect(),
        Expr::Select(select) => vec![&*select.operand],
        _ => Vec::new(),
    }
}

fn of_entry(entry: &IdedEntryExpr) -> Vec<&IdedExpr> {
    match &entry.expr {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

fn visit<'a>(expr: &'a IdedExpr, look: &mut impl FnMut(&'a Expr)) {
    look(&expr.expr);
    for child in children(&expr.expr) {
        visit(child, look);
    }
}

/// Finds names that are not there, before the first object comes.
pub fn check(expr: &IdedExpr) -> Result<(), String> {
    let mut bound = vec!["self"];
    visit(expr, &mut |expr| {
        if let Expr::Comprehension(inner) = expr {
            bound.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
            bound.extend(inner.iter_var2.as_deref());
        }
    });
    let mut problem = None;
    visit(expr, &mut |expr| match expr {
        Expr::Ident(name)
            if !bound.contains(&name.as_str())
                && !TYPES.contains(&name.as_str())
                && !name.starts_with('@') =>
        {
            problem.get_or_insert(format!(
                "undeclared reference to {name:?}: the object is \"self\""
            ));
        }
        Expr::Call(call) => {
            let name = call.func_name.as_str();
            let is_operator = name.starts_with(['_', '!', '-', '@']);
            if !is_operator && !STANDARD.contains(&name) && !KWOK.contains(&name) {
                problem.get_or_insert(format!("undeclared reference to function {name:?}"));
            }
        }
        _ => {}
    });
    problem.map_or(Ok(()), Err)
}

/// The variables that an expression uses.
pub fn names(expr: &IdedExpr) -> Vec<&str> {
    let mut names = Vec::new();
    visit(expr, &mut |expr| {
        if let Expr::Ident(name) = expr {
            names.push(name.as_str());
        }
    });
    names
}

/// Rewrites. What is new takes the number of what it stands for.
pub fn rewrite(expr: IdedExpr, is_typed: bool) -> IdedExpr {
    let IdedExpr { id, expr } = expr;
    let inner = |expr: IdedExpr| rewrite(expr, is_typed);
    let boxed = |expr: Box<IdedExpr>| Box::new(rewrite(*expr, is_typed));
    let call = |name: &str, args: Vec<IdedExpr>| {
        Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: None,
            args,
        })
    };
    let ident = |name: &str| IdedExpr {
        id,
        expr: Expr::Ident(name.to_owned()),
    };
    let expr = match expr {
        Expr::Call(found) => {
            let args = found.args.into_iter().map(inner);
            let target = found.target.map(boxed);
            match (found.func_name.as_str(), target) {
                ("Now", None) => ident("@now").expr,
                ("Rand", None) => ident("@chance").expr,
                ("SinceSecond", target) => {
                    let object = target.map(|target| *target).into_iter().chain(args);
                    call("@since", object.chain([ident("@now")]).collect())
                }
                (name, Some(target)) if KWOK.contains(&name) => {
                    call(name, std::iter::once(*target).chain(args).collect())
                }
                (name, target) => Expr::Call(CallExpr {
                    func_name: name.to_owned(),
                    args: args.collect(),
                    target,
                }),
            }
        }
        Expr::Select(select) if is_typed => {
            let field = LiteralValue::String(CelString::from(select.field.clone()));
            let field = IdedExpr {
                id,
                expr: Expr::Literal(field),
            };
            let name = if select.test { HAS } else { FIELD };
            call(name, vec![*boxed(select.operand), field])
        }
        Expr::Select(select) => Expr::Select(SelectExpr {
            operand: boxed(select.operand),
            ..select
        }),
        Expr::Comprehension(mut found) => {
            let parts = [
                &mut found.iter_range,
                &mut found.accu_init,
                &mut found.loop_cond,
                &mut found.loop_step,
                &mut found.result,
            ];
            for part in parts {
                *part = inner(std::mem::take(part));
            }
            let weight = IdedExpr {
                id,
                expr: Expr::Literal(LiteralValue::Int(CelInt::from(turn(&found)))),
            };
            let range = std::mem::take(&mut found.iter_range);
            found.iter_range = IdedExpr {
                id,
                expr: call(COUNTED, vec![range, weight]),
            };
            Expr::Comprehension(found)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(inner).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = inner(std::mem::take(&mut entry.key));
                    entry.value = inner(std::mem::take(&mut entry.value));
                }
            }
            Expr::Map(map)
        }
        other => other,
    };
    IdedExpr { id, expr }
}

/// The parts of one turn of a loop, with those of the loops within.
fn turn(found: &ComprehensionExpr) -> i64 {
    let mut parts = 0;
    for expr in [&found.loop_cond, &found.loop_step] {
        visit(expr, &mut |_| parts += 1);
    }
    parts
}

/// The paths that an expression reads, as pointers. Where an index is reckoned, all beneath is read.
pub fn reads(expr: &IdedExpr) -> Vec<String> {
    let mut found = Vec::new();
    collect(expr, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn collect(expr: &IdedExpr, found: &mut Vec<String>) {
    if let Some((path, _)) = path(&expr.expr) {
        found.push(path);
        return;
    }
    for child in children(&expr.expr) {
        collect(child, found);
    }
}

/// The pointer that an expression spells, and whether it ends there because of an index that is no name.
fn path(expr: &Expr) -> Option<(String, bool)> {
    let (operand, key) = match expr {
        Expr::Ident(name) => return (name == "self").then(|| (String::new(), false)),
        Expr::Select(select) => (&*select.operand, Some(select.field.clone())),
        Expr::Call(call) => {
            let ([operand, key], "_[_]" | "_[?_]" | "_?._" | FIELD | HAS) =
                (call.args.as_slice(), call.func_name.as_str())
            else {
                return None;
            };
            let key = match &key.expr {
                Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
                Expr::Literal(_) => None,
                // What the index is reckoned from may be of the object too.
                _ => return None,
            };
            (operand, key)
        }
        _ => return None,
    };
    let (mut path, ended) = path(&operand.expr)?;
    match key {
        Some(key) if !ended => {
            path.push('/');
            path.push_str(&key.replace('~', "~0").replace('/', "~1"));
            Some((path, false))
        }
        _ => Some((path, true)),
    }
}
