//! Text from outside, such as a run's name or its error, as each kind of output can hold it. A function for each, and
//! nothing reaches an output otherwise.

pub use univip_stdx::printable::{message, printable};

/// A line or a cell of Markdown, in which no name begins a tag or ends the cell.
pub fn markdown(text: &str) -> String {
    printable(text).replace('|', "\\|").replace('<', "&lt;")
}

/// Text of HTML, and of SVG, which cannot hold control characters at all.
pub fn xml(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// Text of LaTeX, in which no name is a command.
pub fn latex(text: &str) -> String {
    let mut escaped = String::new();
    for letter in printable(text).chars() {
        match letter {
            '\\' => escaped += "\\textbackslash{}",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "$<$",
            '>' => escaped += "$>$",
            '±' => escaped += "$\\pm$",
            'Δ' => escaped += "$\\Delta$",
            '–' => escaped += "--",
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// A cell of a CSV file, which no spreadsheet takes for a formula. Its writer still has to quote it.
pub fn cell(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\u{1b}[2J a\n<b>|'x'\u{202e}";

    #[test]
    fn each_output_has_its_own_escapes() {
        assert_eq!(printable(HOSTILE), r"\u{1b}[2J a\n<b>|'x'\u{202e}");
        assert_eq!(markdown(HOSTILE), r"\u{1b}[2J a\n&lt;b>\|'x'\u{202e}");
        assert_eq!(xml(HOSTILE), r"\u{1b}[2J a\n&lt;b&gt;|&#39;x&#39;\u{202e}");
        assert_eq!(
            latex(HOSTILE),
            r"\textbackslash{}u\{1b\}[2J a\textbackslash{}n$<$b$>$|'x'\textbackslash{}u\{202e\}"
        );
        assert_eq!(latex("AP^bb 1.0 ± 2% of a_b & c"), r"AP\textasciicircum{}bb 1.0 $\pm$ 2\% of a\_b \& c");
        assert_eq!(cell(HOSTILE), printable(HOSTILE));
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("\t=1+1"), r"\t=1+1");
        assert_eq!(printable("σ ± – 犬 'q'"), "σ ± – 犬 'q'");
    }
}
