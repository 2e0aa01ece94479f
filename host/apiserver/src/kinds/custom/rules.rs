//! `x-kubernetes-validations`: rules in CEL (apiextensions-apiserver, `pkg/apiserver/schema/cel`).
//!
//! Rules are not type-checked. One that cannot be read, or calls what is not there (the library has neither calendar nor Kubernetes'
//! own functions), is told in a warning when its definition is written, and not evaluated.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, Value as CelValue};
use serde_json::{Value, json};

use super::check::namesake;
use super::findings::{child, flag, index, invalid, invalid_somehow, key, list, members, text};
use crate::status::{FieldError, FieldErrorSort};

/// Longer expressions are refused: reading them takes stack.
const LONGEST: usize = 4096;

/// Functions that rules may call, beside operators.
const KNOWN: [&str; 24] = [
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
    "has",
];

/// Words that are none in CEL: a field of that name is written with underscores.
const RESERVED: [&str; 20] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let texts = || vec![STRING_TYPE.to_owned(), STRING_TYPE.to_owned()];
    // Of another name or signature than the library's own, these cannot be refused.
    let _ = env.add_overload("matches", "matches_text", texts(), matches);
    let text = STRING_TYPE.to_owned();
    let one = vec![STRING_TYPE.to_owned()];
    let _ = env.add_member_overload("matches", "text_matches", text, one, matches);
    Arc::new(env)
});

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = |index: usize| {
        let value = args.get(index)?.downcast_ref::<CelString<'_>>()?;
        Some(value.inner().to_string())
    };
    let (Some(text), Some(pattern)) = (text(0), text(1)) else {
        return Err(ExecutionError::function_error(
            "matches",
            "two texts are expected",
        ));
    };
    let mut builder = regex_lite::RegexBuilder::new(&pattern);
    builder.size_limit(256 * 1024);
    let regex = builder
        .build()
        .map_err(|error| ExecutionError::function_error("matches", error))?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(&text))))
}

/// The expressions of a schema, read once.
#[derive(Default)]
pub(super) struct Rules(BTreeMap<String, Program>);

/// An expression.
struct Program {
    expression: IdedExpr,
    transition: bool,
}

/// What a rule is asked about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    schema: &'a Value,
    value: &'a Value,
    old: Option<&'a Value>,
    path: &'a str,
}

fn compile(source: &str) -> Result<Program, String> {
    if source.len() > LONGEST {
        return Err(format!("an expression is longer than {LONGEST} bytes"));
    }
    let parsed = PrattParser::default()
        .enable_optional_syntax(true)
        .parse(source);
    let expression = parsed.map_err(|errors| match errors.errors.first() {
        Some(error) => format!("line {} column {}: {}", error.pos.0, error.pos.1, error.msg),
        None => "cannot be read".to_owned(),
    })?;
    let references = expression.references();
    let unknown = references.functions().into_iter().find(|name| {
        let operator = name.starts_with(['_', '@', '!', '-']);
        !operator && !KNOWN.contains(name)
    });
    if let Some(name) = unknown {
        return Err(format!("{name} is no function that this server has"));
    }
    let transition = references.has_variable("oldSelf");
    drop(references);
    Ok(Program {
        expression,
        transition,
    })
}

// === impl Rules ===

impl Rules {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The expressions of a schema that can be read.
    pub(super) fn of(schema: &Value) -> Self {
        let mut programs = BTreeMap::new();
        each(schema, "", &mut |source, _| {
            if let Ok(program) = compile(source) {
                programs.insert(source.to_owned(), program);
            }
        });
        Self(programs)
    }

    /// What breaks a rule.
    pub(super) fn check(
        &self,
        schema: &Value,
        value: &Value,
        old: Option<&Value>,
        path: &str,
    ) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if value.is_null() {
            return errors;
        }
        let subject = Subject {
            schema,
            value,
            old: old.filter(|old| !old.is_null()),
            path,
        };
        for rule in list(schema, "x-kubernetes-validations") {
            errors.extend(self.broken(rule, subject));
        }
        match value {
            Value::Object(map) => {
                for (name, member) in map {
                    let before = old.and_then(|old| old.get(name));
                    let known = schema.get("properties").and_then(|known| known.get(name));
                    let additional = schema.get("additionalProperties");
                    match (known, additional) {
                        (Some(of), _) => {
                            errors.extend(self.check(of, member, before, &child(path, name)));
                        }
                        (None, Some(of)) if of.is_object() => {
                            errors.extend(self.check(of, member, before, &key(path, name)));
                        }
                        _ => {}
                    }
                }
            }
            Value::Array(items) => {
                if let Some(of) = schema.get("items") {
                    for (at, item) in items.iter().enumerate() {
                        let before = old.and_then(|old| namesake(schema, item, old));
                        errors.extend(self.check(of, item, before, &index(path, at)));
                    }
                }
            }
            _ => {}
        }
        errors
    }

    fn broken(&self, rule: &Value, subject: Subject<'_>) -> Option<FieldError> {
        let source = text(rule, "rule");
        let program = self.0.get(source)?;
        let optional = flag(rule, "optionalOldSelf");
        if program.transition && subject.old.is_none() && !optional {
            return None;
        }
        // What has not changed is not held against a new rule.
        if !program.transition && subject.old == Some(subject.value) {
            return None;
        }
        let message = text(rule, "message").trim();
        let told = if message.is_empty() {
            source.trim()
        } else {
            message
        };
        let kind = json!(text(subject.schema, "type"));
        match run(program, subject, optional) {
            Ok(CelValue::Bool(true)) => None,
            Ok(_) => {
                let detail = self.detail(rule, subject, optional);
                let detail = detail.unwrap_or_else(|| match message {
                    "" => format!("failed rule: {}", source.trim()),
                    _ => message.to_owned(),
                });
                Some(failure(rule, subject, &detail))
            }
            Err(error) => {
                let detail = format!("{} evaluating rule: {told}", words(&error));
                Some(invalid(subject.path, &kind, &detail))
            }
        }
    }

    fn detail(&self, rule: &Value, subject: Subject<'_>, optional: bool) -> Option<String> {
        let program = self.0.get(text(rule, "messageExpression"))?;
        let CelValue::String(text) = run(program, subject, optional).ok()? else {
            return None;
        };
        let text = text.trim().to_owned();
        (!text.is_empty() && !text.contains('\n')).then_some(text)
    }
}

fn failure(rule: &Value, subject: Subject<'_>, detail: &str) -> FieldError {
    let place = text(rule, "fieldPath").trim_start_matches('.');
    let path = match place {
        "" => subject.path.to_owned(),
        _ => child(subject.path, place),
    };
    let whole = ["object", "array"].contains(&text(subject.schema, "type"));
    let value = if whole {
        String::new()
    } else {
        format!(": {}", subject.value)
    };
    let (sort, body) = match text(rule, "reason") {
        "FieldValueForbidden" => (FieldErrorSort::Forbidden, format!("Forbidden: {detail}")),
        "FieldValueRequired" => (
            FieldErrorSort::Required,
            format!("Required value: {detail}"),
        ),
        "FieldValueDuplicate" => (FieldErrorSort::Duplicate, format!("Duplicate value{value}")),
        _ if whole => return invalid_somehow(&path, detail),
        _ => return invalid(&path, subject.value, detail),
    };
    FieldError {
        sort,
        field: path,
        body,
    }
}

fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        other => other.to_string(),
    }
}

fn run(
    program: &Program,
    subject: Subject<'_>,
    optional: bool,
) -> Result<CelValue, ExecutionError> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.add_variable_from_value("self", converted(subject.schema, subject.value));
    if let Some(old) = subject.old {
        context.add_variable_from_value("oldSelf", converted(subject.schema, old));
    } else if optional {
        context.add_variable_from_value("oldSelf", CelValue::Null);
    }
    CelValue::resolve(&program.expression, &context)
}

/// A field's name as CEL can say it (apiserver, `pkg/cel/escaping.go`).
fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

/// A value as its schema has it: fields are escaped and keys of maps are not, whole numbers of a `number` are none.
fn converted(schema: &Value, value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if text(schema, "type") != "number" => CelValue::Int(whole),
            _ => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::from(text.as_str()),
        Value::Array(items) => {
            let of = schema.get("items").unwrap_or(&Value::Null);
            CelValue::List(Arc::new(
                items.iter().map(|item| converted(of, item)).collect(),
            ))
        }
        Value::Object(map) => {
            let additional = schema.get("additionalProperties").unwrap_or(&Value::Null);
            let entries = map.iter().map(|(name, member)| {
                let known = schema.get("properties").and_then(|known| known.get(name));
                let named = if additional.is_null() {
                    escaped(name)
                } else {
                    name.clone()
                };
                (
                    Key::from(named.as_str()),
                    converted(known.unwrap_or(additional), member),
                )
            });
            let map = Arc::new(entries.collect::<HashMap<_, _>>());
            CelValue::Map(Map { map })
        }
    }
}

/// The expressions of a schema with their places.
fn each(schema: &Value, path: &str, tell: &mut dyn FnMut(&str, &str)) {
    for (at, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        for field in ["rule", "messageExpression"] {
            let source = text(rule, field);
            if !source.trim().is_empty() {
                let place = index(&child(path, "x-kubernetes-validations"), at);
                tell(source, &child(&place, field));
            }
        }
    }
    for (name, of) in members(schema, "properties") {
        each(of, &key(&child(path, "properties"), name), tell);
    }
    for field in ["items", "additionalProperties"] {
        if let Some(of) = schema.get(field).filter(|of| of.is_object()) {
            each(of, &child(path, field), tell);
        }
    }
}

/// Which rules of a schema are not evaluated, and why.
pub(super) fn unread(schema: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    each(schema, path, &mut |source, place| {
        if let Err(why) = compile(source) {
            warnings.push(format!("{place}: {source:?} is not evaluated: {why}"));
        }
    });
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_asked_where_they_stand() {
        let schema = json!({
            "type": "object",
            "properties": {"a-b": {"type": "integer"}, "name": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}},
            "x-kubernetes-validations": [{"rule": "self.a__dash__b < 3", "message": "too much"}],
        });
        let rules = Rules::of(&schema);
        let errors = rules.check(&schema, &json!({"a-b": 3}), None, "spec");
        assert_eq!(errors, [invalid_somehow("spec", "too much")]);
        let (old, new) = (
            json!({"a-b": 1, "name": "x"}),
            json!({"a-b": 1, "name": "y"}),
        );
        let errors = rules.check(&schema, &new, Some(&old), "spec");
        assert_eq!(
            errors,
            [invalid(
                "spec.name",
                &json!("y"),
                "failed rule: self == oldSelf"
            )]
        );
        assert!(rules.check(&schema, &new, None, "spec").is_empty());
    }

    #[test]
    fn what_cannot_be_evaluated_is_told() {
        let schema = json!({"type": "string", "x-kubernetes-validations": [{"rule": "self =="}, {"rule": "isURL(self)"}, {"rule": "self.matches('^a')"}]});
        let told = unread(&schema, "schema");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].contains("isURL"), "{told:?}");
        let errors = Rules::of(&schema).check(&schema, &json!("b"), None, "x");
        assert_eq!(errors.len(), 1);
    }
}
