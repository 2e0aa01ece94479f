//! Walking the tree.

use std::rc::Rc;

use super::call::missing_field;
use super::node::{Branch, Node, Operand, Pipe};
use super::{Error, LONGEST, Template};
use crate::Value;
use crate::function::Surroundings;

/// Templates that call each other.
const DEEPEST: usize = 100;
/// Nodes that one rendering may walk: an endless loop ends here, not in the host's patience.
const MOST: usize = 200_000;

/// Bytes that most texts have room in.
const USUAL: usize = 1024;

/// One rendering.
pub(super) struct State<'t> {
    template: &'t Template,
    pub(super) around: &'t dyn Surroundings,
    variables: Vec<(Rc<str>, Value)>,
    /// The arguments of the calls that run.
    pub(super) args: Vec<Value>,
    out: String,
    depth: usize,
    left: usize,
    pub(super) line: usize,
}

/// What comes after a node.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Renders.
pub(super) fn render(
    template: &Template,
    data: &Value,
    around: &dyn Surroundings,
) -> Result<String, Error> {
    let mut state = State {
        template,
        around,
        variables: vec![("$".into(), data.clone())],
        args: Vec::new(),
        out: String::with_capacity(USUAL),
        depth: 0,
        left: MOST,
        line: 1,
    };
    state.walk_all(data, &template.root)?;
    Ok(state.out)
}

impl State<'_> {
    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        Error::new(self.line, message)
    }

    fn write(&mut self, text: &str) -> Result<(), Error> {
        if self.out.len() + text.len() > LONGEST {
            return Err(self.error(format!("the text is longer than {LONGEST} bytes")));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn walk_all(&mut self, dot: &Value, nodes: &[Node]) -> Result<Flow, Error> {
        for node in nodes {
            let flow = self.walk(dot, node)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn step(&mut self) -> Result<(), Error> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| self.error(format!("more than {MOST} steps")))?;
        Ok(())
    }

    fn walk(&mut self, dot: &Value, node: &Node) -> Result<Flow, Error> {
        self.step()?;
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.names.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If(branch) => return self.decide(dot, branch, false),
            Node::With(branch) => return self.decide(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { line, name, pipe } => {
                self.call_template(dot, *line, name, pipe.as_ref())?
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: &Value) -> Result<(), Error> {
        match value {
            Value::Missing | Value::Nil => self.write("<no value>"),
            Value::Text(text) | Value::Number(text) => self.write(&Rc::clone(text)),
            other => self.write(&other.show()),
        }
    }

    fn decide(&mut self, dot: &Value, branch: &Branch, sets_dot: bool) -> Result<Flow, Error> {
        let scope = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = match (value.truth(), &branch.otherwise) {
            (true, _) if sets_dot => self.walk_all(&value, &branch.list),
            (true, _) => self.walk_all(dot, &branch.list),
            (false, Some(otherwise)) => self.walk_all(dot, otherwise),
            (false, None) => Ok(Flow::Next),
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(&mut self, dot: &Value, branch: &Branch) -> Result<Flow, Error> {
        let scope = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let mark = self.variables.len();
        let mut flow = Flow::Next;
        let mut any = false;
        let mut each = |state: &mut Self, key: Value, item: Value| -> Result<bool, Error> {
            any = true;
            // A loop without a body takes time too.
            state.step()?;
            state.bind(&branch.pipe, key, item.clone())?;
            let flow = state.walk_all(&item, &branch.list)?;
            state.variables.truncate(mark);
            Ok(flow != Flow::Break)
        };
        match &value {
            Value::Missing | Value::Nil => {}
            Value::List(list) => {
                for (index, item) in list.items.iter().enumerate() {
                    let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                    if !each(self, index, item.clone())? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                // As it was when the loop began, whatever is set in it.
                let entries = map.entries.borrow().clone();
                for (key, item) in entries {
                    if !each(self, Value::Text(key), item)? {
                        break;
                    }
                }
            }
            Value::Int(_) | Value::Int64(_) | Value::Byte(_) => {
                if branch.pipe.names.len() > 1 {
                    return Err(self.error(format!(
                        "can't use {} to iterate over more than one variable",
                        value.show()
                    )));
                }
                let count = value.whole().unwrap_or(0);
                for number in 0..count {
                    let item = match value {
                        Value::Int64(_) => Value::Int64(number),
                        _ => Value::Int(number),
                    };
                    if !each(self, Value::Missing, item)? {
                        break;
                    }
                }
            }
            other => return Err(self.error(format!("range can't iterate over {}", other.show()))),
        }
        if let (false, Some(otherwise)) = (any, &branch.otherwise) {
            flow = self.walk_all(dot, otherwise)?;
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    /// The variables of a loop. With one it is the item, with two the key comes first.
    fn bind(&mut self, pipe: &Pipe, key: Value, item: Value) -> Result<(), Error> {
        let (first, second) = match pipe.names.as_slice() {
            [] => return Ok(()),
            [name] => (Some((name, item)), None),
            [name, other, ..] => (Some((name, key)), Some((other, item))),
        };
        for (name, value) in [first, second].into_iter().flatten() {
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), Error> {
        let found = self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| **known == *name);
        match found {
            Some((_, known)) => {
                *known = value;
                Ok(())
            }
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }

    fn call_template(
        &mut self,
        dot: &Value,
        line: usize,
        name: &str,
        pipe: Option<&Pipe>,
    ) -> Result<(), Error> {
        self.line = line;
        let Some(nodes) = self.template.defined.get(name) else {
            return Err(self.error(format!("template {name:?} not defined")));
        };
        if self.depth >= DEEPEST {
            return Err(self.error(format!("exceeded maximum template depth ({DEEPEST})")));
        }
        let dot = match pipe {
            Some(pipe) => self.pipe(dot, pipe)?,
            None => Value::Missing,
        };
        let root = vec![("$".into(), dot.clone())];
        let outer = std::mem::replace(&mut self.variables, root);
        self.depth += 1;
        self.walk_all(&dot, nodes)?;
        self.depth -= 1;
        self.variables = outer;
        Ok(())
    }

    /// The value of a pipeline. Its variables stay until the block ends.
    pub(super) fn pipe(&mut self, dot: &Value, pipe: &Pipe) -> Result<Value, Error> {
        self.line = pipe.line;
        let mut value: Option<Value> = None;
        for words in &pipe.commands {
            value = Some(match self.command(dot, words, value)? {
                Value::Nil => Value::Missing,
                value => value,
            });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipe.names {
            if pipe.assigns {
                self.set(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    /// One command; `last` is what the one before it gave.
    fn command(
        &mut self,
        dot: &Value,
        words: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let Some((first, rest)) = words.split_first() else {
            return Err(self.error("empty command"));
        };
        let has_args = !rest.is_empty() || last.is_some();
        match first {
            Operand::Function(function) => return self.call(dot, function, rest, last),
            Operand::Field(fields) => return self.fields(dot, dot.clone(), fields, rest, last),
            Operand::Chain(term, fields) => {
                let value = self.term(dot, term)?;
                return self.fields(dot, value, fields, rest, last);
            }
            Operand::Variable(name, fields) if !fields.is_empty() => {
                let value = self.variable(name)?;
                return self.fields(dot, value, fields, rest, last);
            }
            _ if has_args => return Err(self.error("can't give argument to non-function")),
            Operand::Nil => return Err(self.error("nil is not a command")),
            _ => {}
        }
        self.term(dot, first)
    }

    /// A word without arguments.
    pub(super) fn term(&mut self, dot: &Value, word: &Operand) -> Result<Value, Error> {
        match word {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Bool(value) => Ok(Value::Bool(*value)),
            Operand::Number(number) => self.ideal(number),
            Operand::Text(text) => Ok(Value::Text(text.clone())),
            Operand::Variable(name, fields) => {
                let value = self.variable(name)?;
                self.fields(dot, value, fields, &[], None)
            }
            Operand::Field(fields) => self.fields(dot, dot.clone(), fields, &[], None),
            Operand::Chain(term, fields) => {
                let value = self.term(dot, term)?;
                self.fields(dot, value, fields, &[], None)
            }
            Operand::Function(function) => self.call(dot, function, &[], None),
            Operand::Pipe(pipe) => self.pipe(dot, pipe),
        }
    }

    fn variable(&self, name: &str) -> Result<Value, Error> {
        let found = self
            .variables
            .iter()
            .rev()
            .find(|(known, _)| **known == *name);
        match found {
            Some((_, value)) => Ok(value.clone()),
            None => Err(self.error(format!("undefined variable: {name}"))),
        }
    }

    /// `.a.b.c`: the last one may be a method with arguments.
    fn fields(
        &mut self,
        dot: &Value,
        value: Value,
        fields: &[Rc<str>],
        args: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        let Some((end, path)) = fields.split_last() else {
            return Ok(value);
        };
        let mut at = value;
        for field in path {
            at = self.field(dot, &at, field, &[], None)?;
        }
        self.field(dot, &at, end, args, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        value: &Value,
        name: &Rc<str>,
        args: &[Operand],
        last: Option<Value>,
    ) -> Result<Value, Error> {
        match value {
            Value::Missing => Ok(Value::Missing),
            Value::Nil => Err(self.error(format!("nil pointer evaluating interface {{}}.{name}"))),
            Value::Map(map) => {
                if !args.is_empty() || last.is_some() {
                    return Err(self.error(format!("{name} is not a method but has arguments")));
                }
                Ok(map
                    .entries
                    .borrow()
                    .get(name)
                    .cloned()
                    .unwrap_or(Value::Missing))
            }
            Value::Time(_) | Value::Number(_) => self.method(dot, value, name, args, last),
            other => Err(self.error(missing_field(name, other))),
        }
    }
}
