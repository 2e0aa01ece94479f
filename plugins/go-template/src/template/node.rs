//! The tree of a template.

use std::rc::Rc;

use super::number::Number;
use crate::function::Function;

/// A piece of a template.
#[derive(Debug)]
pub enum Node {
    /// Text that is written as it is.
    Text(Rc<str>),
    /// `{{ pipeline }}`.
    Action(Pipe),
    /// `{{ if }}`.
    If(Branch),
    /// `{{ with }}`.
    With(Branch),
    /// `{{ range }}`.
    Range(Branch),
    /// `{{ template "name" pipeline }}`.
    Template {
        /// From 1.
        line: usize,
        /// Which.
        name: String,
        /// Its dot.
        pipe: Option<Pipe>,
    },
    /// `{{ break }}`.
    Break,
    /// `{{ continue }}`.
    Continue,
}

/// A pipeline with what it decides.
#[derive(Debug)]
pub struct Branch {
    /// The condition.
    pub pipe: Pipe,
    /// If it holds.
    pub list: Vec<Node>,
    /// If not.
    pub otherwise: Option<Vec<Node>>,
}

/// Commands, each of which gets what the one before it gave as its last argument.
#[derive(Debug)]
pub struct Pipe {
    /// From 1.
    pub line: usize,
    /// `=` instead of `:=`.
    pub assigns: bool,
    /// The variables on the left.
    pub names: Vec<Rc<str>>,
    /// The commands.
    pub commands: Vec<Vec<Operand>>,
}

/// A word of a command.
#[derive(Debug)]
pub enum Operand {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`
    Bool(bool),
    /// `1`
    Number(Number),
    /// `"text"`
    Text(Rc<str>),
    /// `.a.b`
    Field(Vec<Rc<str>>),
    /// `$x.a.b`
    Variable(String, Vec<Rc<str>>),
    /// `(pipeline).a.b`
    Chain(Box<Operand>, Vec<Rc<str>>),
    /// `printf`
    Function(Function),
    /// `(pipeline)`
    Pipe(Pipe),
}
