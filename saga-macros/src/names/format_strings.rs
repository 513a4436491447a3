//! Which variables a format string reads.

use proc_macro2::Ident;
use syn::LitStr;

/// The names in `"{name} {name:?} {name:width$}"`, at the place of the string.
pub(crate) fn placeholders(text: &LitStr) -> Vec<Ident> {
    // `{{` is a brace, not a placeholder.
    let value = text.value().replace("{{", "");
    let parts = value.split('{').skip(1).filter_map(|part| part.split_once('}'));
    let names = parts.flat_map(|(inside, _)| {
        let (name, form) = inside.split_once(':').unwrap_or((inside, ""));
        [name.trim()].into_iter().chain(counts(form))
    });
    names.filter_map(|name| variable(name, text)).collect()
}

/// A width or precision that is a variable, as in `{:>width$.precision$}`.
fn counts(form: &str) -> impl Iterator<Item = &str> {
    form.rsplit('$').skip(1).filter_map(|before| {
        let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        // `{:0width$}` is padded with zeros.
        Some(name.trim_start_matches('0'))
    })
}

fn variable(name: &str, text: &LitStr) -> Option<Ident> {
    // `{type}` reads the variable `r#type`.
    let raw = || syn::parse_str::<Ident>(&format!("r#{name}"));
    let mut name = syn::parse_str::<Ident>(name).or_else(|_| raw()).ok()?;
    name.set_span(text.span());
    Some(name)
}
