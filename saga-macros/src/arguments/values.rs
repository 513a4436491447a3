//! Lists of arguments and their values: numbers, durations.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::{Ident, TokenTree};
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Error, Lit, LitInt, LitStr, Path, Token};

use crate::errors::{Errors, did_you_mean, list};

/// As long as the library can wait.
const LONGEST: Duration = Duration::from_secs(876_000 * 3600);

/// Reads `name ..` items that are separated by commas; goes on at the next comma after a mistake. False if
/// there was one: what it would have said is not known.
pub(crate) fn items(
    input: ParseStream,
    known: &[&str],
    errors: &mut Errors,
    mut item: impl FnMut(&Ident, ParseStream, &mut Errors) -> syn::Result<()>,
) -> bool {
    let mut complete = true;
    while !input.is_empty() {
        let by_name = |error: Error| {
            let known = list(known.iter().copied());
            Error::new(error.span(), format!("arguments are given by name: {known}"))
        };
        let parsed = input.call(Ident::parse_any).map_err(by_name).and_then(|name| {
            let text = name.to_string();
            if !known.contains(&text.as_str()) {
                let nearest = did_you_mean(&text, known.iter().copied());
                let known = list(known.iter().copied());
                let message = format!("unknown argument `{text}`{nearest} (arguments: {known})");
                return Err(Error::new_spanned(name, message));
            }
            item(&name, input, errors)?;
            if !input.is_empty() && !input.peek(Token![,]) {
                return Err(input.error(format!("expected `,` behind the argument `{text}`")));
            }
            Ok(())
        });
        complete &= errors.ok(parsed).is_some();
        while !input.is_empty() && !input.peek(Token![,]) {
            if input.parse::<TokenTree>().is_err() {
                return false;
            }
        }
        let _ = input.parse::<Option<Token![,]>>();
    }
    complete
}

/// Steps over the `=`.
pub(crate) fn value<'a>(name: &Ident, input: ParseStream<'a>) -> syn::Result<ParseStream<'a>> {
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(name, format!("`{name}` needs a value: `{name} = ..`")));
    }
    Ok(input)
}

/// The path of a function or module.
pub(crate) fn path(name: &Ident, input: ParseStream) -> syn::Result<Path> {
    let form = match name.to_string().as_str() {
        "crate" => "the path of the library: `crate = ::saga_core`".to_string(),
        name => format!("the path of a function, without quotes: `{name} = path::to::function`"),
    };
    let expected = |error: Error| Error::new(error.span(), format!("`{name}` is {form}"));
    value(name, input)?.call(Path::parse_mod_style).map_err(expected)
}

/// A text in quotes.
pub(crate) fn text(name: &str, input: ParseStream) -> syn::Result<LitStr> {
    let expected = |error: Error| {
        let what = if name == "no_undo" { "the reason" } else { name };
        Error::new(error.span(), format!("{what} stands in quotes: `{name} = \"..\"`"))
    };
    input.parse().map_err(expected)
}

/// A `u32`.
pub(crate) fn number(input: ParseStream) -> syn::Result<u32> {
    let literal = input.fork().parse::<TokenTree>()?;
    let number = input.parse::<LitInt>().and_then(|number| number.base10_parse());
    number.map_err(|_| Error::new_spanned(literal, "expected a number from 0 to 4294967295"))
}

/// A number in a range.
pub(crate) fn share(
    input: ParseStream,
    range: RangeInclusive<f64>,
    meaning: &str,
) -> syn::Result<f64> {
    let tokens = input.fork().parse::<TokenTree>()?;
    let number = match input.parse::<Lit>() {
        Ok(Lit::Float(number)) => number.base10_parse().ok(),
        Ok(Lit::Int(number)) => number.base10_parse().ok(),
        _ => None,
    };
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| Error::new_spanned(tokens, format!("expected a number, {meaning}")))
}

/// A timeout.
pub(crate) fn positive(input: ParseStream) -> syn::Result<Duration> {
    let literal = input.fork().parse::<TokenTree>()?;
    match duration(input)? {
        Duration::ZERO => Err(Error::new_spanned(literal, "a timeout is longer than zero")),
        timeout => Ok(timeout),
    }
}

/// `"100ms"`, `"30s"`, `"5m"`, `"2h"`
pub(crate) fn duration(input: ParseStream) -> syn::Result<Duration> {
    let tokens = input.fork().parse::<TokenTree>()?;
    let text = input.parse::<Lit>();
    let parsed = match &text {
        Ok(Lit::Str(text)) => parse_duration(&text.value()),
        _ => None,
    };
    if parsed.is_some_and(|duration| duration > LONGEST) {
        let message = format!("{tokens} is too long: at most \"876000h\", which is 100 years");
        return Err(Error::new_spanned(tokens, message));
    }
    parsed.ok_or_else(|| {
        let message = format!(
            "{tokens} is not a duration: expected a number and a unit in quotes, such as \"100ms\", \
             \"30s\", \"5m\" or \"2h\""
        );
        Error::new_spanned(tokens, message)
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    // a number that is too large for any of them is too long in any unit
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    Some(Duration::from_millis(number.saturating_mul(millis)))
}
