//! The values of arguments: numbers, durations, texts, paths of functions.

use std::ops::RangeInclusive;
use std::time::Duration;

use proc_macro2::{Ident, TokenTree};
use syn::parse::ParseStream;
use syn::{Error, Lit, LitInt, LitStr, Path, Token};

/// The longest time that the library can wait.
const LONGEST: Duration = Duration::from_secs(876_000 * 3600);

/// Reads the `=`; what follows is the value of this argument.
pub(crate) fn value<'a>(name: &Ident, input: ParseStream<'a>) -> syn::Result<ParseStream<'a>> {
    if input.parse::<Option<Token![=]>>()?.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(name, format!("`{name}` needs a value: `{name} = ..`")));
    }
    Ok(input)
}

/// `name = path::to::function`
pub(crate) fn function(name: &Ident, input: ParseStream) -> syn::Result<Path> {
    let expected = |error: Error| {
        let message = format!(
            "`{name}` is the path of a function, without quotes: `{name} = path::to::function`"
        );
        Error::new(error.span(), message)
    };
    value(name, input)?.call(Path::parse_mod_style).map_err(expected)
}

/// A text in quotes, the value of this argument; `what` says in the message what the text is.
pub(crate) fn text(what: &str, argument: &str, input: ParseStream) -> syn::Result<LitStr> {
    let expected = |error: Error| {
        Error::new(error.span(), format!("write the {what} in quotes: `{argument} = \"..\"`"))
    };
    input.parse().map_err(expected)
}

/// A `u32`.
pub(crate) fn number(input: ParseStream) -> syn::Result<u32> {
    let literal = input.fork().parse::<TokenTree>()?;
    let number = input.parse::<LitInt>().and_then(|number| number.base10_parse());
    number.map_err(|_| Error::new_spanned(literal, "expected a number from 0 to 4294967295"))
}

/// A number in this range, which `meaning` puts into words.
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

/// The duration of a timeout, which is not zero.
pub(crate) fn positive_duration(input: ParseStream) -> syn::Result<Duration> {
    let literal = input.fork().parse::<TokenTree>()?;
    match duration(input)? {
        Duration::ZERO => Err(Error::new_spanned(literal, "a timeout must be longer than zero")),
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
    // A number that does not fit into a `u64` is too long in any unit.
    let number = number.parse::<u64>().unwrap_or(u64::MAX);
    Some(Duration::from_millis(number.saturating_mul(millis)))
}
