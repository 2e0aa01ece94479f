//! Tokens. Outside of actions there is text; inside, spaces count, since they part arguments.

use super::Error;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Open,
    Close,
    Space,
    Assign,
    Declare,
    Pipe,
    Comma,
    OtherChar,
    Dot,
    Field,
    Variable,
    Identifier,
    Keyword,
    Bool,
    Nil,
    Number,
    Char,
    Quoted,
    LeftParen,
    RightParen,
    End,
}

/// A token.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub line: usize,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const KEYWORDS: [&str; 10] = [
    "block", "break", "continue", "define", "else", "end", "if", "range", "template", "with",
];

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    depth: usize,
    tokens: Vec<Token<'a>>,
}

/// All tokens; the last one is the end.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        depth: 0,
        tokens: Vec::new(),
    };
    lexer.text()?;
    Ok(lexer.tokens)
}

fn is_space(char: char) -> bool {
    matches!(char, ' ' | '\t' | '\r' | '\n')
}

fn is_word(char: char) -> bool {
    char == '_' || char.is_alphabetic() || char.is_numeric()
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::new(self.line, message)
    }

    /// Goes on by so many bytes, and counts the lines.
    fn skip(&mut self, length: usize) {
        let passed = self.rest().get(..length).unwrap_or_default();
        self.line += passed.matches('\n').count();
        self.at += length;
    }

    fn emit(&mut self, kind: Kind, length: usize) {
        let text = self.rest().get(..length).unwrap_or_default();
        let line = self.line;
        self.skip(length);
        self.tokens.push(Token { kind, text, line });
    }

    /// Outside of actions.
    fn text(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let Some(open) = rest.find(OPEN) else {
                if !rest.is_empty() {
                    self.emit(Kind::Text, rest.len());
                }
                self.emit(Kind::End, 0);
                return Ok(());
            };
            let behind = rest.get(open + OPEN.len()..).unwrap_or_default();
            let trims = behind.starts_with('-')
                && behind
                    .get(1..)
                    .is_some_and(|rest| rest.starts_with(is_space));
            let before = rest.get(..open).unwrap_or_default();
            let kept = if trims {
                before.trim_end_matches(is_space).len()
            } else {
                open
            };
            if kept > 0 {
                self.emit(Kind::Text, kept);
            }
            self.skip(open - kept);
            let marker = if trims { 2 } else { 0 };
            let is_comment = behind
                .get(marker..)
                .is_some_and(|rest| rest.starts_with("/*"));
            if is_comment {
                self.comment(OPEN.len() + marker)?;
            } else {
                self.emit(Kind::Open, OPEN.len());
                self.skip(marker);
                self.depth = 0;
                self.action()?;
            }
        }
    }

    fn comment(&mut self, before: usize) -> Result<(), Error> {
        let rest = self.rest().get(before..).unwrap_or_default();
        let end = rest
            .find("*/")
            .ok_or_else(|| self.error("unclosed comment"))?;
        self.skip(before + end + 2);
        let Some(length) = self.close() else {
            return Err(self.error("comment ends before closing delimiter"));
        };
        self.leave(length);
        Ok(())
    }

    /// How long the closing delimiter is that stands here, with its trim marker.
    fn close(&self) -> Option<usize> {
        let rest = self.rest();
        if rest.starts_with(CLOSE) {
            return Some(CLOSE.len());
        }
        let trims =
            rest.starts_with(is_space) && rest.get(1..).is_some_and(|rest| rest.starts_with("-}}"));
        trims.then_some(2 + CLOSE.len())
    }

    /// Passes a closing delimiter, and the space behind it if it trims.
    fn leave(&mut self, length: usize) {
        self.skip(length);
        if length > CLOSE.len() {
            let rest = self.rest();
            self.skip(rest.len() - rest.trim_start_matches(is_space).len());
        }
    }

    /// Inside of an action, to its end.
    fn action(&mut self) -> Result<(), Error> {
        loop {
            if let Some(length) = self.close() {
                if self.depth > 0 {
                    return Err(self.error("unclosed left paren"));
                }
                let line = self.line;
                self.tokens.push(Token {
                    kind: Kind::Close,
                    text: CLOSE,
                    line,
                });
                self.leave(length);
                return Ok(());
            }
            let char = self.peek().ok_or_else(|| self.error("unclosed action"))?;
            match char {
                char if is_space(char) => self.space(),
                '=' => self.emit(Kind::Assign, 1),
                ':' if self.rest().starts_with(":=") => self.emit(Kind::Declare, 2),
                ':' => return Err(self.error("expected :=")),
                '|' => self.emit(Kind::Pipe, 1),
                ',' => self.emit(Kind::Comma, 1),
                '"' | '\'' => self.quoted(char)?,
                '`' => self.raw()?,
                '$' => self.name(Kind::Variable)?,
                '.' if !self
                    .rest()
                    .get(1..2)
                    .is_some_and(|next| next.starts_with(|char: char| char.is_ascii_digit())) =>
                {
                    self.name(Kind::Field)?;
                }
                '.' | '+' | '-' | '0'..='9' => self.number()?,
                '(' => {
                    self.depth += 1;
                    self.emit(Kind::LeftParen, 1);
                }
                ')' if self.depth == 0 => return Err(self.error("unexpected right paren")),
                ')' => {
                    self.depth -= 1;
                    self.emit(Kind::RightParen, 1);
                }
                char if is_word(char) => self.word()?,
                char if char.is_ascii_graphic() => self.emit(Kind::OtherChar, 1),
                char => {
                    return Err(self.error(format!("unrecognized character in action: {char:?}")));
                }
            }
        }
    }

    /// A run of spaces; the last one may begin a trimming end.
    fn space(&mut self) {
        let rest = self.rest();
        let mut length = rest.len() - rest.trim_start_matches(is_space).len();
        if rest
            .get(length..)
            .is_some_and(|rest| rest.starts_with("-}}"))
        {
            length -= 1;
        }
        if length > 0 {
            self.emit(Kind::Space, length);
        }
    }

    fn ends_word(rest: &str) -> bool {
        match rest.chars().next() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(char) => is_space(char) || rest.starts_with(CLOSE),
        }
    }

    /// `.field` or `$variable`; alone it is the dot or the root.
    fn name(&mut self, kind: Kind) -> Result<(), Error> {
        let behind = self.rest().get(1..).unwrap_or_default();
        if Self::ends_word(behind) {
            let kind = if kind == Kind::Field { Kind::Dot } else { kind };
            self.emit(kind, 1);
            return Ok(());
        }
        let length = 1 + behind.len() - behind.trim_start_matches(is_word).len();
        self.terminated(kind, length)
    }

    fn word(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches(is_word).len();
        let kind = match rest.get(..length).unwrap_or_default() {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => Kind::Identifier,
        };
        self.terminated(kind, length)
    }

    fn terminated(&mut self, kind: Kind, length: usize) -> Result<(), Error> {
        let behind = self.rest().get(length..).unwrap_or_default();
        if !Self::ends_word(behind) {
            let char = behind.chars().next().unwrap_or_default();
            return Err(self.error(format!("bad character {char:?}")));
        }
        self.emit(kind, length);
        Ok(())
    }

    fn quoted(&mut self, mark: char) -> Result<(), Error> {
        let mut escaped = false;
        for (at, char) in self.rest().char_indices().skip(1) {
            if char == '\n' {
                break;
            }
            if !escaped && char == mark {
                let kind = if mark == '"' {
                    Kind::Quoted
                } else {
                    Kind::Char
                };
                self.emit(kind, at + 1);
                return Ok(());
            }
            escaped = !escaped && char == '\\';
        }
        Err(self.error(if mark == '"' {
            "unterminated quoted string"
        } else {
            "unterminated character constant"
        }))
    }

    fn raw(&mut self) -> Result<(), Error> {
        let behind = self.rest().get(1..).unwrap_or_default();
        let end = behind
            .find('`')
            .ok_or_else(|| self.error("unterminated raw quoted string"))?;
        self.emit(Kind::Quoted, end + 2);
        Ok(())
    }

    /// Anything that begins like a number; whether it is one is seen when it is read.
    fn number(&mut self) -> Result<(), Error> {
        let rest = self.rest();
        let lower = rest.trim_start_matches(['+', '-']).to_ascii_lowercase();
        let signs = usize::from(rest.starts_with(['+', '-']));
        let (digits, exponent) = match lower.get(..2) {
            Some("0x") => ("0123456789abcdefABCDEF_xX", None),
            Some("0o" | "0b") => ("01234567_oObB", None),
            _ => ("0123456789_", Some(['e', 'E'])),
        };
        let mut length = signs;
        let run = |from: usize| -> usize {
            let rest = rest.get(from..).unwrap_or_default();
            from + rest.len() - rest.trim_start_matches(|char| digits.contains(char)).len()
        };
        length = run(length);
        if rest.get(length..).is_some_and(|rest| rest.starts_with('.')) {
            length = run(length + 1);
        }
        if exponent.is_some_and(|marks| {
            rest.get(length..)
                .is_some_and(|rest| rest.starts_with(marks))
        }) {
            length += 1;
            if rest
                .get(length..)
                .is_some_and(|rest| rest.starts_with(['+', '-']))
            {
                length += 1;
            }
            length = run(length);
        }
        let behind = rest.get(length..).unwrap_or_default();
        if behind.starts_with(is_word) || behind.starts_with(['+', '-']) {
            let text = rest.get(..=length).unwrap_or(rest);
            return Err(self.error(format!("bad number syntax: {text:?}")));
        }
        self.emit(Kind::Number, length);
        Ok(())
    }
}
