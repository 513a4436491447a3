//! What differs from run to run, taken out of what is printed.

/// The same text without times, ids and ages, and with the columns of tables set apart by two spaces.
pub(crate) fn redacted(text: &str) -> String {
    text.lines().map(|text| line(text) + "\n").collect()
}

fn line(line: &str) -> String {
    let indent = line.chars().take_while(|c| *c == ' ').count();
    let mut out = String::new();
    let mut words = line.split_inclusive(' ').peekable();
    while let Some(word) = words.next() {
        let (word, space) = match word.strip_suffix(' ') {
            Some(word) => (word, " "),
            None => (word, ""),
        };
        let units = ["s", "min", "h", "d", "MiB"];
        let is_unit =
            |next: &&str| units.contains(&next.trim_end_matches([' ', ',', ';', ')', ':']));
        let number = word.trim_start_matches('(');
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
        if let Some(unit) = words.next_if(|next| is_number && is_unit(next)) {
            let rest = unit.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            let size = unit.starts_with("MiB");
            out.push_str(&word.replace(number, if size { "<number> MiB" } else { "<age>" }));
            out.push_str(rest);
            continue;
        }
        out.push_str(&self::word(word));
        out.push_str(space);
    }
    while out.contains("   ") {
        out = out.replace("   ", "  ");
    }
    format!("{}{}", " ".repeat(indent), out.trim())
}

fn word(word: &str) -> String {
    if let Some(at) =
        ["sqlite:/", "file:/", "postgres://"].iter().find_map(|scheme| word.find(scheme))
    {
        return format!("{}<store>", word.get(..at).unwrap_or_default());
    }
    let bare = word.trim_matches(['(', ')', ',', ';', ':', '"', '.', '`']);
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_hex = !bare.is_empty() && bare.chars().all(hex);
    let hyphens = bare.matches('-').count();
    let name = match bare.len() {
        24 if bare.ends_with('Z') && bare.contains('T') => "<time>",
        36 if is_hex && hyphens == 4 => "<uuid>",
        64 if is_hex => "<fingerprint>",
        8 if is_hex && hyphens == 0 && bare.contains(|c: char| c.is_ascii_digit()) => {
            "<fingerprint>"
        }
        8 if bare.matches(':').count() == 2 => "<time>",
        10 if hyphens == 2 && bare.starts_with("20") => "<date>",
        _ => return word.to_string(),
    };
    word.replace(bare, name)
}
