//! What stages read to decide, as the pointers that the host cuts objects by. Where an expression hides what it reads, it reads all
//! beneath, in the end the whole object.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Part, Path};

/// Pointers.
#[derive(Debug, Clone, Default)]
pub struct Reads(Vec<String>);

impl Reads {
    /// Adds a path by its keys.
    pub fn add(&mut self, keys: &[&str]) {
        self.0.push(pointer(keys));
    }

    /// Adds pointers.
    pub fn all(&mut self, pointers: impl IntoIterator<Item = String>) {
        self.0.extend(pointers);
    }

    /// Adds what a jq expression reads.
    pub fn jq(&mut self, source: &str) {
        match jaq_core::load::parse(source, |parser| parser.term()) {
            Some(term) => self.term(&term),
            None => self.add(&[]),
        }
    }

    /// The pointers, without those beneath others.
    #[must_use]
    pub fn pointers(mut self) -> Vec<String> {
        self.0.sort_unstable();
        self.0.dedup();
        let all = self.0.clone();
        let covered = |path: &String| {
            all.iter().any(|other| {
                let rest = path.strip_prefix(other.as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            })
        };
        self.0.retain(|path| !covered(path));
        self.0
    }

    fn term(&mut self, term: &Term<&str>) {
        match term {
            Term::Id | Term::Recurse => self.add(&[]),
            Term::Num(_) | Term::Var(_) | Term::Break(_) => {}
            Term::Str(_, parts) => {
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.term(term);
                    }
                }
            }
            Term::Arr(inner) => inner.iter().for_each(|inner| self.term(inner)),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner),
            Term::Obj(entries) => {
                for (key, value) in entries {
                    self.term(key);
                    match value {
                        Some(value) => self.term(value),
                        // `{name}` is short for `{name: .name}`.
                        None => self.add(&[]),
                    }
                }
            }
            Term::BinOp(left, BinaryOp::Pipe(pattern), right) => match &**left {
                // What passes is the input.
                Term::Call("select", tests) if pattern.is_none() => {
                    tests.iter().for_each(|test| self.term(test));
                    self.term(right);
                }
                left => {
                    self.term(left);
                    // Without a variable the right side sees only what the left one gave.
                    if pattern.is_some() {
                        self.term(right);
                    }
                }
            },
            Term::BinOp(
                left,
                BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt,
                _,
            ) => {
                self.term(left);
                self.add(&[]);
            }
            Term::BinOp(left, _, right) => {
                self.term(left);
                self.term(right);
            }
            Term::TryCatch(inner, _) => self.term(inner),
            Term::IfThenElse(cases, otherwise) => {
                for (test, then) in cases {
                    self.term(test);
                    self.term(then);
                }
                match otherwise {
                    Some(otherwise) => self.term(otherwise),
                    None => self.add(&[]),
                }
            }
            Term::Path(inner, Path(parts)) => self.path(inner, parts),
            Term::Call("empty" | "true" | "false" | "null" | "infinite" | "nan", _) => {}
            Term::Call(..) | Term::Fold(..) | Term::Def(..) => self.add(&[]),
        }
    }

    fn path(&mut self, inner: &Term<&str>, parts: &[(Part<Term<&str>>, jaq_core::path::Opt)]) {
        let indices = parts.iter().flat_map(|(part, _)| match part {
            Part::Index(term) => [Some(term), None],
            Part::Range(from, to) => [from.as_ref(), to.as_ref()],
        });
        indices.flatten().for_each(|index| self.term(index));
        if !matches!(inner, Term::Id) {
            return self.term(inner);
        }
        let names = parts.iter().map_while(|(part, _)| match part {
            Part::Index(Term::Str(None, name)) => match name.as_slice() {
                [StrPart::Str(name)] => Some(*name),
                [] => Some(""),
                _ => None,
            },
            _ => None,
        });
        self.add(&names.collect::<Vec<_>>());
    }
}

fn pointer(keys: &[&str]) -> String {
    let escaped = keys
        .iter()
        .map(|key| key.replace('~', "~0").replace('/', "~1"));
    escaped.fold(String::new(), |path, key| path + "/" + &key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expressions_read() {
        for (source, expected) in [
            (".status.phase", vec!["/status/phase"]),
            (
                ".metadata.annotations[\"a/b\"]",
                vec!["/metadata/annotations/a~1b"],
            ),
            (
                ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
                vec!["/status/conditions"],
            ),
            (
                "select(.spec.a > 1) | .status.b",
                vec!["/spec/a", "/status/b"],
            ),
            (".a[.b]", vec!["/a", "/b"]),
            (".a + (.b // .c.d)", vec!["/a", "/b", "/c/d"]),
            (". as $x | .a | $x", vec![""]),
            ("keys", vec![""]),
            ("1", vec![]),
            ("\"\\(.a)-x\"", vec!["/a"]),
            ("[.l[] | .x] | length", vec!["/l"]),
            (
                ".metadata.ownerReferences.[].kind",
                vec!["/metadata/ownerReferences"],
            ),
        ] {
            let mut reads = Reads::default();
            reads.jq(source);
            assert_eq!(reads.pointers(), expected, "{source}");
        }
    }
}
