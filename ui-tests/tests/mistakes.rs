//! The page of mistakes shows what is in the cases that it links to, word for word.

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../docs/mistakes.md");

/// The lines between a fence that opens like this and the next one.
fn block<'a>(section: &'a str, language: &str) -> &'a str {
    let fence = format!("\n```{language}\n");
    let mut blocks = section.split(&fence).skip(1);
    let block = blocks.next().and_then(|rest| rest.split_once("\n```\n"));
    let (block, _) = block.unwrap_or_else(|| panic!("no {language} block in: {section}"));
    assert!(blocks.next().is_none(), "two {language} blocks in: {section}");
    block
}

/// What follows the page's link to its case, without `.rs`.
fn case(section: &str) -> &str {
    let mut links = section.split("](../ui-tests/").skip(1);
    let case = links.next().and_then(|rest| rest.split_once(".rs)"));
    let (case, _) = case.unwrap_or_else(|| panic!("no case is linked in: {section}"));
    assert!(links.next().is_none(), "two cases are linked in: {section}");
    case
}

#[track_caller]
fn shows(lines: &str, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let content = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert!(
        format!("\n{content}\n").contains(&format!("\n{lines}\n")),
        "the page shows what is not in {file}; copy it again:\n{lines}"
    );
}

#[test]
fn every_code_and_every_message_is_that_of_its_case() {
    let sections: Vec<&str> = PAGE.split("\n## ").skip(1).collect();
    assert!(sections.len() >= 10, "{} mistakes", sections.len());
    for section in sections {
        let (case, message) = (case(section), block(section, "text"));
        assert!(message.starts_with("error"), "{message}");
        shows(block(section, "rust"), &format!("{case}.rs"));
        shows(message, &format!("{case}.stderr"));
        assert_eq!(section.matches("```").count(), 4, "a block that nobody checks: {section}");
    }
}
