//! Pipelines: declarations, commands, and the words of commands.

use std::rc::Rc;

use super::lex::{Kind, Token};
use super::node::{Operand, Pipe};
use super::parse::Parser;
use super::{Error, number};
use crate::function::{Found, Function};

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe, Error> {
        let line = self.skip_space().line;
        let (names, assigns) = self.declarations(context)?;
        let mut commands: Vec<Vec<Operand>> = Vec::new();
        loop {
            let token = self.skip_space();
            if token.kind == end {
                self.next();
                break;
            }
            match token.kind {
                Kind::Bool
                | Kind::Char
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => commands.push(self.command()?),
                _ => return Err(self.unexpected(token, context)),
            }
        }
        if commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        let literal = |words: &Vec<Operand>| {
            let first = words.first();
            matches!(
                first,
                Some(
                    Operand::Bool(_)
                        | Operand::Dot
                        | Operand::Nil
                        | Operand::Number(_)
                        | Operand::Text(_)
                )
            )
        };
        if let Some(stage) = commands.iter().skip(1).position(literal) {
            return Err(self.error(format!(
                "non executable command in pipeline stage {}",
                stage + 2
            )));
        }
        Ok(Pipe {
            line,
            assigns,
            names,
            commands,
        })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<Rc<str>>, bool), Error> {
        let mut names: Vec<Rc<str>> = Vec::new();
        loop {
            let variable = self.skip_space();
            if variable.kind != Kind::Variable {
                return Ok((names, false));
            }
            let begin = self.at;
            self.next();
            let mark = self.skip_space();
            match mark.kind {
                Kind::Assign | Kind::Declare => {
                    self.next();
                    self.variables.push(variable.text.to_owned());
                    names.push(variable.text.into());
                    return Ok((names, mark.kind == Kind::Assign));
                }
                Kind::Comma => {
                    self.next();
                    self.variables.push(variable.text.to_owned());
                    names.push(variable.text.into());
                    let next = self.skip_space().kind;
                    if context != "range" || names.len() > 1 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    if !matches!(next, Kind::Variable | Kind::Close | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    self.at = begin;
                    return Ok((names, false));
                }
            }
        }
    }

    fn command(&mut self) -> Result<Vec<Operand>, Error> {
        let mut words = Vec::new();
        loop {
            self.skip_space();
            words.extend(self.operand()?);
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => {
                    self.at -= 1;
                    break;
                }
                Kind::Pipe => break,
                _ => return Err(self.unexpected(token, "operand")),
            }
        }
        if words.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(words)
    }

    fn operand(&mut self) -> Result<Option<Operand>, Error> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        let mut fields: Vec<Rc<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(Rc::from(self.next().text.trim_start_matches('.')));
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut first) => {
                first.extend(fields);
                Operand::Field(first)
            }
            Operand::Variable(name, mut first) => {
                first.extend(fields);
                Operand::Variable(name, first)
            }
            Operand::Function(_) | Operand::Pipe(_) => Operand::Chain(Box::new(term), fields),
            _ => return Err(self.error("unexpected . after a constant")),
        }))
    }

    fn term(&mut self) -> Result<Option<Operand>, Error> {
        let token = self.next_word();
        Ok(Some(match token.kind {
            Kind::Identifier => Operand::Function(self.function(token)?),
            Kind::Dot => Operand::Dot,
            Kind::Nil => Operand::Nil,
            Kind::Bool => Operand::Bool(token.text == "true"),
            Kind::Variable => {
                if !self.variables.iter().any(|name| name == token.text) {
                    return Err(Error::new(
                        token.line,
                        format!("undefined variable {:?}", token.text),
                    ));
                }
                Operand::Variable(token.text.to_owned(), Vec::new())
            }
            Kind::Field => Operand::Field(vec![Rc::from(token.text.trim_start_matches('.'))]),
            Kind::Char | Kind::Number => {
                let number = number::parse(token.text);
                Operand::Number(number.ok_or_else(|| {
                    Error::new(
                        token.line,
                        format!("illegal number syntax: {:?}", token.text),
                    )
                })?)
            }
            Kind::LeftParen => Operand::Pipe(
                self.deeper(|parser| parser.pipeline("parenthesized pipeline", Kind::RightParen))?,
            ),
            Kind::Quoted => Operand::Text(Rc::from(self.unquoted(token)?)),
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        }))
    }

    fn function(&self, token: Token<'_>) -> Result<Function, Error> {
        let name = token.text;
        match (self.find)(name) {
            Found::Function(function) => Ok(function),
            Found::Refused(reason) => Err(Error::new(
                token.line,
                format!("function {name:?} is not available: {reason}"),
            )),
            Found::Unknown => Err(Error::new(
                token.line,
                format!("function {name:?} not defined"),
            )),
        }
    }
}
