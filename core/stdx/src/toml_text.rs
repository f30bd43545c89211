//! TOML from outside: the parser calls itself for each bracket of an input that is no TOML, until the stack is full.

use serde::de::{DeserializeOwned, Error};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// The most brackets within brackets, and parts of a dotted key, that are read. They take less than a megabyte of stack, and threads
/// have two.
pub const DEEPEST: usize = 128;

/// Reads a value from TOML.
///
/// # Errors
/// When it is not TOML, not what was expected, or has brackets nested deeper than [`DEEPEST`].
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, toml::de::Error> {
    if let Some(offset) = too_deep(text) {
        let line = text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        let problem =
            format!("line {line} has brackets nested more than {DEEPEST} deep; is one never closed?");
        return Err(toml::de::Error::custom(problem));
    }
    toml::from_str(text)
}

/// The place of the first bracket that is too deep. A bracket is closed by its like alone, so that of what is no TOML the parser
/// opens no more than are counted here.
fn too_deep(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    for token in Source::new(text).lex() {
        match token.kind() {
            kind @ (TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket) => open.push(kind),
            TokenKind::RightSquareBracket => close(&mut open, TokenKind::LeftSquareBracket),
            TokenKind::RightCurlyBracket => close(&mut open, TokenKind::LeftCurlyBracket),
            _ => {}
        }
        if open.len() > DEEPEST {
            return Some(token.span().start());
        }
    }
    None
}

fn close(open: &mut Vec<TokenKind>, kind: TokenKind) {
    if open.last() == Some(&kind) {
        open.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each overflowed the stack of a thread, and most that of a program.
    #[test]
    fn brackets_without_an_end_are_refused_and_take_no_stack() {
        for unit in ["={[]", "={]", "={\"}\"", "a = { x]\nb = [\"c\"\n", "{", "[", "[{", "[[a]]\nb = ["] {
            let text = unit.repeat(100_000);
            let error = parse::<toml::Table>(&text).unwrap_err().to_string();
            assert!(error.contains("brackets nested more than 128 deep"), "{unit}: {error}");
        }
        let text = format!("a = 1\n\nb = {}", "[".repeat(DEEPEST + 1));
        let error = parse::<toml::Table>(&text).unwrap_err().to_string();
        assert!(error.contains("line 3 has brackets nested more than 128 deep"), "{error}");
    }

    #[test]
    fn what_is_closed_is_not_deep() {
        let many = "a = [[1, 2], { b = \"]\" }] # [0, 1)\n[[c]]\n[d.e]\nf = '''[['''\n";
        let text: String = (0..1000)
            .map(|index| many.replace("d.e", &format!("d{index}")).replace("a =", &format!("a{index} =")))
            .collect();
        assert_eq!(too_deep(&text), None);
        assert!(parse::<toml::Table>("a = [[1, 2], { b = \"]\" }] # [0, 1)").is_ok());
    }
}
