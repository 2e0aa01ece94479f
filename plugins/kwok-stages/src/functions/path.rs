//! Sprig's paths, with slashes.

use stagewright_go_template::function::{Row, text};
use stagewright_go_template::{Ty, Value};

use Ty::Text;

/// The functions.
pub const TABLE: &[Row] = &[
    ("base", &[Text], None, |args| {
        Ok(Value::text(base(text(args, 0))))
    }),
    ("dir", &[Text], None, |args| {
        Ok(Value::text(dir(text(args, 0))))
    }),
    ("clean", &[Text], None, |args| {
        Ok(Value::text(clean(text(args, 0))))
    }),
    ("ext", &[Text], None, |args| {
        Ok(Value::text(ext(text(args, 0))))
    }),
    ("isAbs", &[Text], None, |args| {
        Ok(Value::Bool(text(args, 0).starts_with('/')))
    }),
    ("osBase", &[Text], None, |args| {
        Ok(Value::text(base(text(args, 0))))
    }),
    ("osDir", &[Text], None, |args| {
        Ok(Value::text(dir(text(args, 0))))
    }),
    ("osClean", &[Text], None, |args| {
        Ok(Value::text(clean(text(args, 0))))
    }),
    ("osExt", &[Text], None, |args| {
        Ok(Value::text(ext(text(args, 0))))
    }),
    ("osIsAbs", &[Text], None, |args| {
        Ok(Value::Bool(text(args, 0).starts_with('/')))
    }),
];

fn base(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

fn dir(path: &str) -> String {
    let end = path.rfind('/').map_or(0, |at| at + 1);
    clean(path.get(..end).unwrap_or_default())
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rfind('.')
        .and_then(|at| name.get(at..))
        .unwrap_or_default()
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            ("..", None) if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
