//! Tables and lists of facts as HTML.

use super::chart::escape;

/// A table, its first column as heads of the rows; the text is escaped here. Columns of numbers stand to the right, all others
/// to the left. `links`: addresses of the rows' heads, none of no row.
pub fn html_table(heads: &[String], rows: &[Vec<String>], links: &[String]) -> String {
    let numbers: Vec<bool> = (0..heads.len())
        .map(|column| {
            let cells =
                || rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty() && *cell != "–");
            cells().next().is_some() && cells().all(|cell| is_number(cell))
        })
        .collect();
    let class = |column: usize| if numbers.get(column) == Some(&true) { " class=\"n\"" } else { "" };
    let cells = |tag: &str, first: usize, cells: &[String]| -> String {
        let cell = |(i, cell): (usize, &String)| format!("<{tag}{}>{}</{tag}>", class(first + i), escape(cell));
        cells.iter().enumerate().map(cell).collect()
    };
    let row = |(number, row): (usize, &Vec<String>)| {
        let (head, rest) = row.split_at(1.min(row.len()));
        let head = match (head, links.get(number)) {
            ([head], Some(link)) => {
                format!("<th{}><a href=\"{}\">{}</a></th>", class(0), escape(link), escape(head))
            }
            (head, _) => cells("th", 0, head),
        };
        format!("<tr>{head}{}</tr>\n", cells("td", 1, rest))
    };
    let rows: String = rows.iter().enumerate().map(row).collect();
    wide(&format!("<table><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table>", cells("th", 0, heads)))
}

/// What may be wider than the screen: it scrolls by itself, by mouse, finger and keys.
pub fn wide(table: &str) -> String {
    format!("<div class=\"wide\" tabindex=\"0\">{table}</div>\n")
}

/// `33.01 ± 4.42`, `1 of 3`, `0.153 (0.160)`, `95 %`, `1,024`, `32.80 GFLOP`: begins with a digit, and has letters for a unit at most.
fn is_number(cell: &str) -> bool {
    let mut letters = cell.trim_start_matches(['-', '−', '+', '±']).chars();
    letters.next().is_some_and(|first| first.is_ascii_digit())
        && cell.chars().filter(|c| c.is_alphabetic()).count() <= 5
}

/// Names and values, as many beside each other as there is room for.
pub fn facts(facts: &[(String, String)]) -> String {
    let fact =
        |(name, value): &(String, String)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    let facts: String = facts.iter().map(fact).collect();
    if facts.is_empty() { facts } else { format!("<dl class=\"facts\">{facts}</dl>\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let heads = ["row", "method", "accuracy", "seeds"].map(String::from);
        let rows = [["1", "set <b>", "33.01 ± 4.42", "–"], ["2", "5 a name of words", "–", "–"]]
            .map(|row| row.map(String::from).to_vec());
        let html = html_table(&heads, &rows, &["../rows/1".into()]);
        assert!(
            html.contains("<th class=\"n\">row</th><th>method</th><th class=\"n\">accuracy</th><th>seeds</th>"),
            "{html}"
        );
        assert!(html.contains("<th class=\"n\"><a href=\"../rows/1\">1</a></th><td>set &lt;b&gt;</td>"), "{html}");
        assert!(html.contains("<tr><th class=\"n\">2</th><td>5 a name of words</td><td class=\"n\">–</td>"), "{html}");
        for number in ["95 %", "−1.33", "+0.5", "1 of 3", "4.3 MiB", "32.8 GFLOP", "0.15 (0.16)", "1,024"] {
            assert!(is_number(number), "{number}");
        }
        for words in ["llvmpipe (LLVM 15)", "17a fresh", "", "–", "3 seconds of training"] {
            assert!(!is_number(words), "{words}");
        }
    }
}
