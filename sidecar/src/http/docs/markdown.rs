//! Renders descriptions from markdown to HTML: without links and images, and with HTML escaped.

use minijinja::HtmlEscape;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Renders block elements: paragraphs, lists and tables.
pub(crate) fn blocks(markdown: &str) -> String {
    let mut in_head = false;
    let mut html = String::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::TableHead) => in_head = true,
            Event::End(TagEnd::TableHead) => in_head = false,
            _ => {}
        }
        html.push_str(&element(event, in_head));
    }
    html
}

/// Renders inline elements only, for use within a line.
pub(crate) fn inline(markdown: &str) -> String {
    let is_paragraph = |event: &Event| matches!(event, Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph));
    Parser::new(markdown).filter(|event| !is_paragraph(event)).map(|event| element(event, false)).collect()
}

fn element(event: Event, in_head: bool) -> String {
    let tag = match event {
        Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => return HtmlEscape(&text).to_string(),
        Event::Code(text) => return format!("<code>{}</code>", HtmlEscape(&text)),
        Event::SoftBreak | Event::HardBreak => "\n",
        Event::Start(tag) => match tag {
            Tag::Paragraph => "<p>",
            Tag::Emphasis => "<em>",
            Tag::Strong => "<strong>",
            Tag::List(None) => "<ul>",
            Tag::List(Some(_)) => "<ol>",
            Tag::Item => "<li>",
            Tag::Table(_) => "<table class=\"plain\">",
            Tag::TableHead => "<thead><tr>",
            Tag::TableRow => "<tr>",
            Tag::TableCell if in_head => "<th scope=\"col\">",
            Tag::TableCell => "<td>",
            _ => "",
        },
        Event::End(tag) => match tag {
            TagEnd::Paragraph => "</p>\n",
            TagEnd::Emphasis => "</em>",
            TagEnd::Strong => "</strong>",
            TagEnd::List(false) => "</ul>\n",
            TagEnd::List(true) => "</ol>\n",
            TagEnd::Item => "</li>",
            TagEnd::Table => "</tbody></table>\n",
            TagEnd::TableHead => "</tr></thead><tbody>",
            TagEnd::TableRow => "</tr>",
            TagEnd::TableCell if in_head => "</th>",
            TagEnd::TableCell => "</td>",
            _ => "",
        },
        _ => "",
    };
    tag.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_in_the_source_is_escaped() {
        assert_eq!(inline("a <b> & `<c>`, [x](javascript:y)"), "a &lt;b&gt; &amp; <code>&lt;c&gt;</code>, x");
        assert_eq!(blocks("<script>x"), "&lt;script&gt;x");
    }

    #[test]
    fn tables_and_paragraphs_are_blocks() {
        assert_eq!(
            blocks("One.\nTwo.\n\n| a | b |\n|---|---|\n| 1 | `2` |\n"),
            "<p>One.\nTwo.</p>\n<table class=\"plain\"><thead><tr><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead><tbody>\
             <tr><td>1</td><td><code>2</code></td></tr></tbody></table>\n"
        );
    }
}
