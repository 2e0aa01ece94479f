//! From tokens to the tree.

use litemap::LiteMap;
use std::rc::Rc;

use super::lex::{Kind, Token, tokens};
use super::node::{Branch, Node};
use super::wanted::Wanted;
use super::{Error, Template};
use crate::function::Found;
use crate::text;

/// Blocks and parentheses within each other.
const DEEPEST: usize = 100;

pub(super) struct Parser<'a> {
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) at: usize,
    pub(super) find: &'a dyn Fn(&str) -> Found,
    /// Variables in scope.
    pub(super) variables: Vec<String>,
    ranges: usize,
    depth: usize,
    defined: LiteMap<String, Vec<Node>>,
}

/// What ended a list.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    End,
    Else,
    Text,
}

/// Parses a whole template.
pub fn parse(text: &str, find: &dyn Fn(&str) -> Found) -> Result<Template, Error> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        find,
        variables: vec!["$".to_owned()],
        ranges: 0,
        depth: 0,
        defined: LiteMap::new(),
    };
    let (root, ending) = parser.list(true)?;
    if ending != Ending::Text {
        let word = if ending == Ending::End {
            "{{end}}"
        } else {
            "{{else}}"
        };
        return Err(parser.error(format!("unexpected {word}")));
    }
    Ok(Template {
        wanted: Wanted::by(&root),
        root,
        defined: parser.defined,
    })
}

/// Nothing but white space.
fn is_empty(nodes: &[Node]) -> bool {
    nodes
        .iter()
        .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Token<'a> {
        self.tokens
            .get(self.at)
            .or(self.tokens.last())
            .copied()
            .unwrap_or(Token {
                kind: Kind::End,
                text: "",
                line: 1,
            })
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn skip_space(&mut self) -> Token<'a> {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
        self.peek()
    }

    pub(super) fn next_word(&mut self) -> Token<'a> {
        self.skip_space();
        self.next()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Error {
        let before = self.at.saturating_sub(1);
        let line = self.tokens.get(before).map_or(1, |token| token.line);
        Error::new(line, message)
    }

    pub(super) fn unexpected(&self, token: Token<'_>, context: &str) -> Error {
        let what = match token.kind {
            Kind::End => "end of the template".to_owned(),
            Kind::Close => "\"}}\"".to_owned(),
            _ => format!("{:?}", token.text),
        };
        Error::new(token.line, format!("unexpected {what} in {context}"))
    }

    fn close(&mut self, context: &str) -> Result<(), Error> {
        let token = self.next_word();
        match token.kind {
            Kind::Close => Ok(()),
            _ => Err(self.unexpected(token, context)),
        }
    }

    pub(super) fn deeper<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth >= DEEPEST {
            return Err(self.error(format!("more than {DEEPEST} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Nodes up to `end`, `else` or the end of the text. An `else` leaves what follows it to be read.
    fn list(&mut self, is_root: bool) -> Result<(Vec<Node>, Ending), Error> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next();
            match token.kind {
                Kind::End if is_root => return Ok((nodes, Ending::Text)),
                Kind::End => {
                    return Err(Error::new(
                        token.line,
                        "unexpected end of the template: {{end}} is missing",
                    ));
                }
                Kind::Text => nodes.push(Node::Text(Rc::from(token.text))),
                Kind::Open => {}
                _ => return Err(self.unexpected(token, "input")),
            }
            if token.kind != Kind::Open {
                continue;
            }
            let word = self.skip_space();
            if word.kind != Kind::Keyword {
                nodes.push(Node::Action(self.pipeline("command", Kind::Close)?));
                continue;
            }
            self.next();
            match word.text {
                "end" => {
                    self.close("end")?;
                    return Ok((nodes, Ending::End));
                }
                "else" => return Ok((nodes, Ending::Else)),
                "define" if is_root => self.define()?,
                "define" => {
                    return Err(self.unexpected(word, "a block: templates are defined at the top"));
                }
                name => nodes.push(self.deeper(|parser| parser.control(name, word.line))?),
            }
        }
    }

    fn control(&mut self, name: &str, line: usize) -> Result<Node, Error> {
        match name {
            "if" => Ok(Node::If(self.branch("if")?)),
            "with" => Ok(Node::With(self.branch("with")?)),
            "range" => Ok(Node::Range(self.branch("range")?)),
            "template" => {
                let name = self.template_name("template clause")?;
                let pipe = if self.skip_space().kind == Kind::Close {
                    self.next();
                    None
                } else {
                    Some(self.pipeline("template clause", Kind::Close)?)
                };
                Ok(Node::Template { line, name, pipe })
            }
            "block" => {
                let name = self.template_name("block clause")?;
                let pipe = Some(self.pipeline("block clause", Kind::Close)?);
                self.definition(name.clone(), "block clause")?;
                Ok(Node::Template { line, name, pipe })
            }
            name => {
                self.close(name)?;
                if self.ranges == 0 {
                    return Err(self.error(format!("{{{{{name}}}}} outside {{{{range}}}}")));
                }
                Ok(if name == "break" {
                    Node::Break
                } else {
                    Node::Continue
                })
            }
        }
    }

    fn template_name(&mut self, context: &str) -> Result<String, Error> {
        let token = self.next_word();
        match token.kind {
            Kind::Quoted => self.unquoted(token),
            _ => Err(self.unexpected(token, context)),
        }
    }

    pub(super) fn unquoted(&self, token: Token<'_>) -> Result<String, Error> {
        text::unquote(token.text)
            .ok_or_else(|| Error::new(token.line, format!("invalid string {}", token.text)))
    }

    fn define(&mut self) -> Result<(), Error> {
        let name = self.template_name("define clause")?;
        self.close("define clause")?;
        self.definition(name, "define clause")
    }

    /// A template of its own: it sees no variable but its root.
    fn definition(&mut self, name: String, context: &str) -> Result<(), Error> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, ending) = self.deeper(|parser| parser.list(false))?;
        self.variables = variables;
        self.ranges = ranges;
        if ending != Ending::End {
            return Err(self.error(format!("unexpected {{{{else}}}} in {context}")));
        }
        match self.defined.get(&name) {
            Some(known) if !is_empty(known) && !is_empty(&nodes) => {
                Err(self.error(format!("multiple definition of template {name:?}")))
            }
            Some(known) if !is_empty(known) => Ok(()),
            _ => {
                self.defined.insert(name, nodes);
                Ok(())
            }
        }
    }

    fn branch(&mut self, context: &str) -> Result<Branch, Error> {
        let scope = self.variables.len();
        let pipe = self.pipeline(context, Kind::Close)?;
        let is_range = context == "range";
        self.ranges += usize::from(is_range);
        let (list, ending) = self.list(false)?;
        self.ranges -= usize::from(is_range);
        let otherwise = match ending {
            Ending::Else => Some(self.otherwise(context)?),
            _ => None,
        };
        self.variables.truncate(scope);
        Ok(Branch {
            pipe,
            list,
            otherwise,
        })
    }

    /// Behind `else`: another condition of the same sort, or a list.
    fn otherwise(&mut self, context: &str) -> Result<Vec<Node>, Error> {
        let word = self.skip_space();
        if word.kind == Kind::Keyword && word.text == context && matches!(context, "if" | "with") {
            self.next();
            return self.deeper(|parser| Ok(vec![parser.control(context, word.line)?]));
        }
        self.close("else")?;
        let (list, ending) = self.list(false)?;
        if ending == Ending::Else {
            return Err(self.error("expected end; found {{else}}"));
        }
        Ok(list)
    }
}
