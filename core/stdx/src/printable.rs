//! Text from outside, such as a file's name, as a terminal or one line of text can hold it.

/// The text with every character escaped that would steer a terminal, break the line or turn its direction:
/// `\n`, `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// True for a character that does something other than stand in its place.
fn steers(letter: char) -> bool {
    // Line and paragraph separators, marks and overrides of direction, the byte order mark.
    let invisible = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    );
    letter.is_control() || invisible
}

/// Fewer characters than this are a message; more of them hide what matters.
const MOST: usize = 500;

/// A message: one line of fewer than 500 characters, whatever is in it. Of a longer one the beginning and the end stay, which say
/// what is wrong and what to do.
pub fn message(text: &str) -> String {
    const HEAD: usize = 300;
    const TAIL: usize = 150;
    let text = printable(text.trim_end());
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < MOST {
        return text;
    }
    let [head, tail] = [&letters[..HEAD], &letters[letters.len() - TAIL..]].map(String::from_iter);
    format!("{head} [... {} characters ...] {tail}", letters.len() - HEAD - TAIL)
}

#[cfg(test)]
mod tests {
    use super::{MOST, message, printable};

    #[test]
    fn a_message_is_one_line_and_not_long() {
        assert_eq!(message("a\nb\u{1b}[2J\n"), r"a\nb\u{1b}[2J");
        let long = format!("begins{}ends", "x\n".repeat(30_000));
        let cut = message(&long);
        assert!(cut.chars().count() < MOST, "{cut}");
        assert!(cut.starts_with("begins") && cut.ends_with("ends"), "{cut}");
        assert!(cut.contains("[... 89560 characters ...]"), "{cut}");
        let fits = "é".repeat(MOST - 1);
        assert_eq!(message(&fits), fits);
        assert!(message(&"é".repeat(MOST)).contains("[... 50 characters ...]"));
    }

    #[test]
    fn what_steers_a_terminal_is_escaped_and_all_else_stays() {
        let cases = [
            (
                "\u{1b}]0;owned\u{7}\u{1b}[2J a.jpg\nerror: all is well",
                r"\u{1b}]0;owned\u{7}\u{1b}[2J a.jpg\nerror: all is well",
            ),
            ("a\r\tb\u{9b}31m\u{7f}", r"a\r\tb\u{9b}31m\u{7f}"),
            ("gpj.\u{202e}exe\u{2028}", r"gpj.\u{202e}exe\u{2028}"),
            ("σ ± – 犬 é \\n 'q'", "σ ± – 犬 é \\n 'q'"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected);
        }
    }
}
