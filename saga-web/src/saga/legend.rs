//! What the lines and borders of a picture mean: of those that are in it.

use maud::{Markup, PreEscaped, html};

/// What to look for in the picture, the same as a small picture, and what it means.
const SIGNS: [(&str, &str, &str); 4] = [
    (
        "pivot",
        r#"<rect x="1" y="1" width="26" height="14" rx="4"/><rect x="4" y="4" width="20" height="8" rx="2"/>"#,
        "the pivot: after it, the saga only goes forward",
    ),
    (
        "saga-frontier",
        r#"<path class="saga-frontier" d="M2 8H26" stroke-dasharray="7 4" stroke-width="2.5"/>"#,
        "the rollback has come as far as here; it goes up",
    ),
    (
        "saga-frame",
        r#"<rect x="1" y="1" width="26" height="14" rx="4" stroke-dasharray="2 3"/>"#,
        "what a node contains, or nodes that run in any order",
    ),
    (
        "saga-meeting",
        r#"<circle cx="14" cy="8" r="3.5" fill="currentColor"/>"#,
        "all below it wait for all above it",
    ),
];

pub(super) fn legend(picture: &str) -> Markup {
    let used = SIGNS.iter().filter(|(class, _, _)| is_in(picture, class)).collect::<Vec<_>>();
    html! {
        @if !used.is_empty() {
            ul.legend aria-label="What the picture shows" {
                @for (_, sign, means) in used {
                    li {
                        svg viewBox="0 0 28 16" width="28" height="16" fill="none" stroke="currentColor" aria-hidden="true" {
                            (PreEscaped(sign))
                        }
                        (means)
                    }
                }
            }
        }
    }
}

fn is_in(picture: &str, what: &str) -> bool {
    match what {
        // a border has no class of its own; every node says it in words
        "pivot" => picture.contains("pivot: after it, the saga only goes forward"),
        class => picture.contains(class),
    }
}
