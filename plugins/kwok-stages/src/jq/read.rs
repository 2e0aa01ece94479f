//! Reading an expression, and what is wrong with it.

use jaq_core::load::parse::Term;
use jaq_core::load::{Lexer, Parser, lex};

/// Longer and deeper expressions are refused: reading them takes stack.
const LONGEST: usize = 4096;
const DEEPEST: usize = 64;
const MOST_TOKENS: usize = 1000;

/// An expression's term, from text.
pub fn term(source: &str) -> Result<Term<&str>, String> {
    if source.len() > LONGEST {
        return Err(format!("an expression is longer than {LONGEST} bytes"));
    }
    let at = |part: &str| {
        // The part is a slice of the source, or an empty one at its end.
        let offset = (part.as_ptr() as usize).saturating_sub(source.as_ptr() as usize);
        source.get(..offset).unwrap_or(source).chars().count() + 1
    };
    let mut depth = 0_usize;
    for char in source.chars() {
        match char {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} brackets within each other"));
        }
    }
    let tokens = Lexer::new(source)
        .lex()
        .map_err(|errors| match errors.first() {
            Some((lex::Expect::Delim(_), found)) => {
                format!("character {}: a bracket or quote is not closed", at(found))
            }
            Some((expected, found)) => {
                format!("character {}: expected {}", at(found), expected.as_str())
            }
            None => "cannot be read".to_owned(),
        })?;
    if tokens.len() > MOST_TOKENS {
        return Err(format!("more than {MOST_TOKENS} words"));
    }
    let parsed = Parser::new(&tokens).parse(|parser| parser.term());
    parsed.map_err(|errors| match errors.first() {
        Some((expected, found)) => {
            let found = found.map_or(source.len()..source.len(), |token| {
                span(source, token.as_str())
            });
            let place = source.get(..found.start).unwrap_or(source).chars().count() + 1;
            format!("character {place}: expected {}", expected.as_str())
        }
        None => "cannot be read".to_owned(),
    })
}

fn span(whole: &str, part: &str) -> std::ops::Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}
