//! Writes the table of the built-in kinds' fields for the API server in the box, from the Go types of the modules that the tests'
//! control plane is built from. `--check` only compares, and fails where the checked-in table differs.
//!
//! The OpenAPI documents do not say what is a pointer and what is left out when it is empty; a stored object's shape hangs on both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use stagewright_tests::module;

/// Below the workspace.
const TABLE: &str = "host/apiserver/src/kinds/admit/fields.json";

/// The kinds to look for, below the workspace.
const KINDS: &str = "host/apiserver/src/kinds/builtin.json";

/// What goes with requests beside objects, the same in all groups.
const BESIDE: [(&str, &str); 4] = [
    ("Binding", "core/v1.Binding"),
    ("DeleteOptions", "meta/v1.DeleteOptions"),
    ("Eviction", "policy/v1.Eviction"),
    ("Scale", "autoscaling/v1.Scale"),
];

/// Types that read and write themselves. The server knows them by these names.
const OPAQUE: [&str; 14] = [
    "apiextensions/v1.JSON",
    "apiextensions/v1.JSONSchemaPropsOrArray",
    "apiextensions/v1.JSONSchemaPropsOrBool",
    "apiextensions/v1.JSONSchemaPropsOrStringArray",
    "intstr.IntOrString",
    "meta/v1.Duration",
    "meta/v1.FieldsV1",
    "meta/v1.MicroTime",
    "meta/v1.Time",
    "resource.Quantity",
    "runtime.Object",
    "runtime.RawExtension",
    "runtime.Unknown",
    "types.UID",
];

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the crate lies in the workspace")?;
    let (version, _) = module::kubernetes(workspace)?;
    let mut source = Source::new(workspace)?;
    let text = std::fs::read_to_string(workspace.join(KINDS)).context(KINDS)?;
    let mut kinds = source.kinds(&serde_json::from_str(&text)?)?;
    kinds.extend(BESIDE.map(|(kind, of)| (kind.to_owned(), of.to_owned())));
    let types = source.reached(kinds.values().cloned().collect())?;
    let generated = render(&version, &kinds, &types)?;
    module::write(workspace, TABLE, &generated, "generate-fields")
}

/// A type as it is declared: a struct's fields, or another type's name.
#[derive(Clone)]
enum Declaration {
    Struct(Vec<Field>),
    Alias(String),
}

/// A field: its name in JSON (empty if its type's fields stand in its place), its type, whether it is left out when empty.
#[derive(Clone)]
struct Field {
    name: String,
    of: String,
    omitted: Omitted,
    /// The embedded struct that has it, as Go's errors name it; empty if it is the struct's own.
    embedded: String,
    /// Its number in protobuf; behind that of the embedded struct, which is a message of its own there. Empty if it is not sent.
    number: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Omitted {
    Never,
    Empty,
    Zero,
}

/// The Go packages, read as they are asked for. A package is named by the end of its path: `core/v1`.
struct Source {
    roots: Vec<(&'static str, PathBuf)>,
    packages: BTreeMap<String, BTreeMap<String, Declaration>>,
}

impl Source {
    fn new(workspace: &Path) -> Result<Self> {
        let mut roots = Vec::new();
        for (name, path) in [
            ("k8s.io/api", ""),
            ("k8s.io/apimachinery", "pkg/apis"),
            ("k8s.io/apiextensions-apiserver", "pkg/apis"),
            ("k8s.io/kube-aggregator", "pkg/apis"),
        ] {
            roots.push((name, module::folder(workspace, name)?.1.join(path)));
        }
        Ok(Self {
            roots,
            packages: BTreeMap::new(),
        })
    }

    /// The type of each kind.
    fn kinds(&mut self, builtin: &Value) -> Result<BTreeMap<String, String>> {
        let mut kinds = BTreeMap::new();
        for version in builtin["versions"].as_array().context("versions")? {
            let part = |field: &str| version[field].as_str().context("group and version");
            let (group, number) = (part("group")?, part("version")?);
            let first = group.split('.').next().filter(|first| !first.is_empty());
            let package = format!("{}/{number}", first.unwrap_or("core"));
            let api_version = if group.is_empty() {
                number.to_owned()
            } else {
                format!("{group}/{number}")
            };
            for resource in version["resources"].as_array().context("resources")? {
                let kind = resource["kind"].as_str().context("kind")?;
                kinds.insert(format!("{api_version}/{kind}"), format!("{package}.{kind}"));
            }
        }
        Ok(kinds)
    }

    fn declaration(&mut self, name: &str) -> Result<Declaration> {
        let (package, local) = name.rsplit_once('.').context("a name without a package")?;
        if !self.packages.contains_key(package) {
            let read = self.read(package)?;
            self.packages.insert(package.to_owned(), read);
        }
        let found = self.packages.get(package).and_then(|all| all.get(local));
        found.cloned().with_context(|| format!("no type {name}"))
    }

    fn read(&self, package: &str) -> Result<BTreeMap<String, Declaration>> {
        let folder = self.roots.iter().map(|(_, root)| root.join(package));
        let folder = folder
            .into_iter()
            .find(|folder| folder.is_dir())
            .with_context(|| format!("no package {package}"))?;
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let declares = name.ends_with(".go")
                && !name.ends_with("_test.go")
                && !name.starts_with("zz_generated")
                && !name.starts_with("generated");
            if declares {
                let text = std::fs::read_to_string(&path)?;
                found.extend(File::new(package, &text).declarations(&text));
            }
        }
        Ok(found)
    }

    /// All types that are reached from these, structs with what they embed in its place.
    fn reached(&mut self, mut next: Vec<String>) -> Result<BTreeMap<String, Declaration>> {
        let mut types = BTreeMap::new();
        let mut seen = BTreeSet::new();
        while let Some(name) = next.pop() {
            if OPAQUE.contains(&name.as_str()) || !seen.insert(name.clone()) {
                continue;
            }
            let declaration = match self.declaration(&name)? {
                Declaration::Alias(of) => {
                    next.extend(named(&of));
                    Declaration::Alias(of)
                }
                Declaration::Struct(_) => {
                    let fields = self.flat(&name)?;
                    next.extend(fields.iter().flat_map(|field| named(&field.of)));
                    Declaration::Struct(fields)
                }
            };
            types.insert(name, declaration);
        }
        Ok(types)
    }

    fn flat(&mut self, name: &str) -> Result<Vec<Field>> {
        let Declaration::Struct(fields) = self.declaration(name)? else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for field in fields {
            if field.name.is_empty() {
                let name = field.of.rsplit('.').next().unwrap_or_default();
                for mut inner in self.flat(&field.of)? {
                    // Kind and version are read before the rest.
                    inner.number = match (&*field.number, &*inner.number) {
                        ("", _) | (_, "") => String::new(),
                        (outer, number) => format!("{outer}.{number}"),
                    };
                    if name != "TypeMeta" {
                        let dot = if inner.embedded.is_empty() { "" } else { "." };
                        inner.embedded = format!("{name}{dot}{}", inner.embedded);
                    }
                    all.push(inner);
                }
            } else {
                all.push(field);
            }
        }
        Ok(all)
    }
}

/// The named types in a type's text.
fn named(of: &str) -> Vec<String> {
    of.split(['*', '[', ']'])
        .filter(|part| part.contains('.'))
        .map(str::to_owned)
        .collect()
}

/// A file of Go: what its import names stand for.
struct File<'a> {
    package: &'a str,
    imports: BTreeMap<String, String>,
}

impl<'a> File<'a> {
    fn new(package: &'a str, text: &str) -> Self {
        let mut imports = BTreeMap::new();
        for line in text.lines().take_while(|line| !line.starts_with("type ")) {
            let mut words = line.trim().trim_start_matches("import ").split('"');
            let (Some(alias), Some(path)) = (words.next(), words.next()) else {
                continue;
            };
            let mut parts = path.rsplit('/');
            let (last, before) = (parts.next().unwrap_or_default(), parts.next());
            let versioned = last.starts_with('v') && last.contains(|c: char| c.is_ascii_digit());
            let target = match before {
                Some(before) if versioned => format!("{before}/{last}"),
                _ => last.to_owned(),
            };
            let alias = alias.trim();
            let alias = if alias.is_empty() { last } else { alias };
            imports.insert(alias.to_owned(), target);
        }
        Self { package, imports }
    }

    fn declarations(&self, text: &str) -> BTreeMap<String, Declaration> {
        let mut found = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(rest) = line.strip_prefix("type ") else {
                continue;
            };
            let rest = rest.split("//").next().unwrap_or_default().trim();
            let Some((name, of)) = rest.split_once(' ') else {
                continue;
            };
            let of = of.trim_start_matches('=').trim();
            let declaration = if of == "struct {" {
                let body = lines.by_ref().take_while(|line| *line != "}");
                Declaration::Struct(body.filter_map(|line| self.field(line)).collect())
            } else if of.starts_with("struct") || of.starts_with("interface") {
                Declaration::Struct(Vec::new())
            } else {
                Declaration::Alias(self.resolve(of))
            };
            found.insert(name.to_owned(), declaration);
        }
        found
    }

    fn field(&self, line: &str) -> Option<Field> {
        let (declared, tag) = line.trim().split_once('`')?;
        if declared.starts_with("//") {
            return None;
        }
        let number = tag.split("protobuf:\"").nth(1);
        let number = number.and_then(|tag| tag.split(',').nth(1));
        let tag = tag.split("json:\"").nth(1)?.split('"').next()?;
        let mut options = tag.split(',');
        let name = options.next()?.to_owned();
        let mut omitted = Omitted::Never;
        for option in options {
            match option {
                "omitzero" => omitted = Omitted::Zero,
                "omitempty" if omitted == Omitted::Never => omitted = Omitted::Empty,
                _ => {}
            }
        }
        let of = declared.split_whitespace().last()?;
        (name != "-").then(|| Field {
            name,
            of: self.resolve(of),
            omitted,
            embedded: String::new(),
            number: number.unwrap_or_default().to_owned(),
        })
    }

    /// The text of a type with full names in it.
    fn resolve(&self, of: &str) -> String {
        if let Some(rest) = of.strip_prefix('*') {
            return format!("*{}", self.resolve(rest));
        }
        if let Some(rest) = of.strip_prefix("[]") {
            return format!("[]{}", self.resolve(rest));
        }
        if let Some((key, value)) = of.strip_prefix("map[").and_then(|of| of.split_once(']')) {
            return format!("map[{}]{}", self.resolve(key), self.resolve(value));
        }
        match of.split_once('.') {
            Some((package, name)) => {
                let package = self.imports.get(package).map_or(package, String::as_str);
                format!("{package}.{name}")
            }
            None if of.starts_with(|c: char| c.is_ascii_uppercase()) => {
                format!("{}.{of}", self.package)
            }
            None => of.to_owned(),
        }
    }
}

/// One line a kind and one a type, so that a change of version reads as a small difference. A field's type is followed by `?` if
/// the field is left out when it is empty in Go's sense (omitempty), by `!` if when it is zero (omitzero), and by `@` and the name of
/// the embedded struct that it comes from. Behind `#` is its number in protobuf.
fn render(
    version: &str,
    kinds: &BTreeMap<String, String>,
    types: &BTreeMap<String, Declaration>,
) -> Result<String> {
    let lines = |rows: Vec<(&String, Value)>| -> Result<String> {
        let rows: Vec<String> = rows
            .into_iter()
            .map(|(name, row)| Ok(format!("{}: {row}", serde_json::to_string(name)?)))
            .collect::<Result<_>>()?;
        Ok(rows.join(",\n"))
    };
    let row = |declaration: &Declaration| match declaration {
        Declaration::Alias(of) => json!(of),
        Declaration::Struct(fields) => fields
            .iter()
            .map(|field| {
                let mark = match field.omitted {
                    Omitted::Never => "",
                    Omitted::Empty => "?",
                    Omitted::Zero => "!",
                };
                let at = if field.embedded.is_empty() { "" } else { "@" };
                let hash = if field.number.is_empty() { "" } else { "#" };
                let text = format!(
                    "{}{mark}{at}{}{hash}{}",
                    field.of, field.embedded, field.number
                );
                (field.name.clone(), json!(text))
            })
            .collect(),
    };
    Ok(format!(
        "{{\n\"kubernetes\": {},\n\"kinds\": {{\n{}\n}},\n\"types\": {{\n{}\n}}\n}}\n",
        serde_json::to_string(version)?,
        lines(kinds.iter().map(|(kind, of)| (kind, json!(of))).collect())?,
        lines(types.iter().map(|(name, of)| (name, row(of))).collect())?,
    ))
}
