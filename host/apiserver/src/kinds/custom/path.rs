//! The paths of columns and selectable fields: JSONPath as kubectl reads it, as far as definitions use it.

use serde_json::Value;

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// A member of an object.
    Field(String),
    /// An item of a list, from the end if it is negative.
    Index(i64),
    /// All members or items.
    All,
    /// Items in which a member has a value: `[?(@.type=="Ready")]`.
    Filter(Vec<Step>, Value),
}

/// What the path leads to; nothing where it does not parse.
pub(in crate::kinds) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    match steps(path) {
        Some(steps) => follow(object, &steps),
        None => Vec::new(),
    }
}

/// Whether that is a path.
pub(super) fn is_path(path: &str) -> bool {
    steps(path).is_some()
}

/// The path as a JSON pointer, if it has fields alone.
pub(super) fn pointer(path: &str) -> Option<String> {
    let mut pointer = String::new();
    for step in steps(path)? {
        let Step::Field(name) = step else { return None };
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    Some(pointer)
}

fn follow<'a>(object: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    let mut found = vec![object];
    for step in steps {
        found = found
            .into_iter()
            .flat_map(|value| match step {
                Step::Field(name) => value.get(name).into_iter().collect(),
                Step::Index(index) => item(value, *index).into_iter().collect(),
                Step::All => members(value),
                Step::Filter(path, wanted) => members(value)
                    .into_iter()
                    .filter(|member| follow(member, path).first() == Some(&wanted))
                    .collect(),
            })
            .collect();
    }
    found
}

fn item(value: &Value, index: i64) -> Option<&Value> {
    let list = value.as_array()?;
    let index = if index < 0 {
        list.len().checked_sub(usize::try_from(-index).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    list.get(index)
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(inside) = rest.strip_prefix('[') {
            bracket(inside)?
        } else {
            field(rest.strip_prefix('.')?)?
        };
        steps.push(step);
        rest = after;
    }
    Some(steps)
}

/// A name up to the next `.` or `[`; a backslash takes the next character's meaning away.
fn field(text: &str) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            '.' | '[' => return named(name, text.get(index..)?),
            other => name.push(other),
        }
    }
    named(name, "")
}

fn named(name: String, rest: &str) -> Option<(Step, &str)> {
    match name.as_str() {
        "" => None,
        "*" => Some((Step::All, rest)),
        _ => Some((Step::Field(name), rest)),
    }
}

fn bracket(text: &str) -> Option<(Step, &str)> {
    if let Some(filter) = text.strip_prefix("?(@") {
        let (condition, rest) = filter.split_once(")]")?;
        let (path, value) = condition.split_once("==")?;
        let value = value.trim();
        let quoted = value
            .strip_prefix('\'')
            .and_then(|value| value.strip_suffix('\''));
        let value = match quoted {
            Some(text) => Value::String(text.to_owned()),
            None => serde_json::from_str(value).ok()?,
        };
        return Some((Step::Filter(steps(path.trim())?, value), rest));
    }
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (name, rest) = quoted.split_once(quote)?;
            return Some((Step::Field(name.to_owned()), rest.strip_prefix(']')?));
        }
    }
    let (inside, rest) = text.split_once(']')?;
    let step = match inside {
        "*" => Step::All,
        index => Step::Index(index.parse().ok()?),
    };
    Some((step, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_where_kubectl_goes() {
        let object = json!({
            "spec": {"a.b": 1, "list": [{"type": "A", "status": "x"}, {"type": "B", "status": "y"}]},
            "metadata": {"annotations": {"example.com/key": "k"}},
        });
        for (path, wanted) in [
            (r".spec.a\.b", vec![json!(1)]),
            (".spec['a.b']", vec![json!(1)]),
            (".spec.list[1].status", vec![json!("y")]),
            (".spec.list[-1].status", vec![json!("y")]),
            (".spec.list[*].type", vec![json!("A"), json!("B")]),
            (".spec.list[?(@.type==\"B\")].status", vec![json!("y")]),
            (".spec.list[?(@.type == 'A')].status", vec![json!("x")]),
            (r".metadata.annotations.example\.com/key", vec![json!("k")]),
            (".spec.nothing", vec![]),
            ("spec", vec![]),
        ] {
            let found: Vec<Value> = find(&object, path).into_iter().cloned().collect();
            assert_eq!(found, wanted, "{path}");
        }
        assert_eq!(pointer(".spec.color").unwrap(), "/spec/color");
    }
}
