//! What the macros expand to, as snapshots, and what they make of half-typed input.
//!
//! After an intended change, run `INSTA_UPDATE=always cargo test -p saga-macros`, and read the diff.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{action, saga};

fn pretty(tokens: TokenStream) -> String {
    match syn::parse2(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("the expansion is not Rust: {error}\n{tokens}"),
    }
}

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// How many errors there are. An error that also takes the place of a node is written twice in the same words, which
/// rustc shows once.
fn errors(expansion: &str) -> usize {
    let mut messages = expansion.split("compile_error!").skip(1).collect::<Vec<_>>();
    for message in &mut messages {
        *message = message.split('}').next().unwrap_or_default();
        *message = message.trim_matches(|c: char| !c.is_alphanumeric());
    }
    messages.sort_unstable();
    messages.dedup();
    messages.len()
}

#[test]
fn book_trip() {
    let expansion = saga::expand(quote! {
        /// Books a flight, a hotel and a car and charges for them: all of it, or nothing.
        pub BookTrip<Agency>(trip: TripRequest) -> Itinerary {
            let quote = price_trip { trip };
            parallel {
                let flight = book_flight { leg: &trip.flight };
                let hotel  = book_hotel { city: &trip.city, nights: trip.nights };
                let car    = rent_car { city: &trip.city };
            }
            let payment = charge_card { card: &trip.card, cents: quote.cents };
            issue_itinerary { trip, flight, hotel, car, payment }
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn nodes_of_all_kinds() {
    let expansion = saga::expand(quote! {
        Kinds<()>(#[serde(default)] n: u32) -> u32 {
            let typed: Vec<u32> = make { n: *n };
            const REGION: String = "eu".to_string();
            notify { text: REGION, count: typed.len() };
            parallel {
                #[cfg(feature = "x")]
                let a = make { n: 1 };
                { let b = make { n: notify.len() }; }
                #[after(b)]
                let _c = make { n: 2 };
            }
            let sum = { let base = *n; base + typed[0] };
            { sum + n }
        }
    });
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn action_with_output() {
    let args =
        quote!(undo = cancel(output, leg), undo_retry(forever, cap = "5m"), undo_timeout = "1m");
    let expansion = action::expand(
        args,
        quote! {
            /// Books a flight.
            pub async fn book_flight(cx: &ActionContext<Agency>, leg: &Leg) -> Result<Flight, io::Error> {
                anything at all
            }
        },
    );
    insta::assert_snapshot!(pretty(with_body(expansion)));
}

#[test]
fn action_with_maybe_output() {
    let args = quote! {
        undo = bank::refund(output?),
        retry(max = 5, base = "100ms", cap = "10s", factor = 1.5, jitter = 0.1, when = is_transient),
        timeout = "30s", in_doubt = PaymentError::is_ambiguous, name = "charge", rev = 2, label = "Charge"
    };
    let expansion = action::expand(
        args,
        quote! {
            async fn charge_card<'c>(cx: &Cx, card: &'c Card, cents: u64) -> io::Result<Payment> {}
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn action_without_output() {
    let expansion = action::expand(
        quote!(undo = release(seats)),
        quote! {
            async fn reserve(seats: u32) -> BookingResult {}
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

#[test]
fn action_with_no_undo() {
    let expansion = action::expand(
        quote!(no_undo = "only reads"),
        quote! {
            #[cfg(unix)]
            pub(crate) async fn price() -> Result<(), String> {}
        },
    );
    insta::assert_snapshot!(pretty(expansion));
}

/// The body is carried along unread, even if it is not Rust.
fn with_body(expansion: TokenStream) -> TokenStream {
    assert!(expansion.to_string().contains("anything at all"));
    tokens(&expansion.to_string().replace("anything at all", ""))
}

#[test]
fn another_name_of_the_crate() {
    let expansion = action::expand(
        quote!(undo = un(output), crate = vendor::engine),
        quote! {
            async fn act(cx: &ActionContext<()>) -> Result<(), String> {}
        },
    );
    assert!(!expansion.to_string().contains("saga_core"));
    let expansion = saga::expand(quote! {
        #[saga(crate = vendor::engine)]
        Renamed<()>(n: u32) -> u32 {
            let a: u32 = act { n: *n };
            let b = { *a };
            act { n: *b }
        }
    });
    assert!(!expansion.to_string().contains("saga_core"));
}

/// A line that is added above an action must not change what it expands into.
#[test]
fn an_action_does_not_know_its_line() {
    let function = quote!(
        async fn act(cx: &ActionContext<()>) -> Result<(), String> {}
    );
    for args in [quote!(no_undo), quote!(undo = un(output), rev = 2, timeout = "1s")] {
        let expansion = action::expand(args, function.clone()).to_string();
        for place in ["line !", "column !", "file !"] {
            assert!(!expansion.contains(place), "{place} in {expansion}");
        }
    }
}

/// `let hotel ..` is being typed, between nodes that must still be there.
fn half_typed(statement: &str) -> String {
    pretty(saga::expand(tokens(&format!(
        "pub BookTrip<Agency>(trip: TripRequest) -> Itinerary {{
             let quote = price_trip {{ trip }};
             {statement}
             let car = rent_car {{ city: &trip.city }};
             parallel {{ let late = notify {{ hotel, car }}; }}
             issue_itinerary {{ trip, car, quote }}
         }}"
    ))))
}

#[test]
fn half_typed_statements_are_one_error() {
    let mut wrong = Vec::new();
    for statement in [
        "let",
        "let hotel",
        "let hotel:",
        "let hotel: Hotel",
        "let hotel =",
        "let hotel = ;",
        "let hotel = book_ho",
        "let hotel = book_ho;",
        "let hotel = hotels::",
        "let hotel = hotels::book",
        "let hotel = book_hotel(",
        "let hotel = book_hotel();",
        "let hotel = book_hotel { city }",
        "let hotel = book_hotel { city: };",
        "let hotel = book_hotel { city: &trip. };",
        "let hotel = book_hotel { cit }",
        "let hotel = book_hotel { city: &trip.city, };.",
        "let hotel = { trip. };",
        "let hotel = if trip. { book_hotel { city } };",
        "let hotel = book_hotel { city: f(&trip., 2) };",
        "let hotel = book_hotel { city: &trip.city, nights };.",
        "let hotel = book_hotel { city: &trip.city nights: 2 };",
        "let hotel = book_hotel { city }.await?;",
        "let hotel = trip.nights + 1;",
        "let (hotel, other) = book_hotel { city };",
        "let hotel = for",
        "let hotel = for x",
        "let hotel = for x in",
        "let hotel = for x in y",
        "let hotel = for x in y {",
        "let hotel = for x in y { book_ho };",
        "let hotel = for x in y { let };",
        "let hotel = for x in y { let inner = book_hotel { city: } };",
        "let hotel = for x in y { book_hotel { city: x } }",
        "let hotel = if",
        "let hotel = if x",
        "let hotel = if x { book_hotel { city: x } } else",
        "let hotel = if x { book_hotel { city: x } } else { book_ho };",
        "let hotel = if let { book_hotel { city: x } };",
        "let hotel = match",
        "let hotel = match x",
        "let hotel = match x {};",
        "let hotel = match x { _ };",
        "let hotel = match x { _ => };",
        "let hotel = match x { _ => book_ho };",
        "let hotel = match x { _ => book_hotel { city: x } 2 => };",
        "let hotel = try",
        "let hotel = try book_hotel { city: x };",
        "let hotel = try {};",
        "let hotel = try { book_ho };",
        "let hotel = try { let };",
        "let hotel = try { book_hotel { city: x } } else",
        "let hotel = try { book_hotel { city: x } } else if",
        "let hotel = try { book_hotel { city: x } } else { book_ho };",
        "try",
        "try { book_ho }",
        "let hotel = select",
        "let hotel = select {};",
        "let hotel = select { a };",
        "let hotel = select { a = };",
        "let hotel = select { a = wait_for };",
        "let hotel = select { a = wait_for::<Wire> };",
        "let hotel = select { a = wait_for::<Wire> {} };",
        "let hotel = select { a = wait_for::<Wire> {} => };",
        "let hotel = select { a = wait_for::<Wire> {} => book_ho };",
        "let hotel = select { a = wait_for::<Wire> {} => book_hotel { city: a } };",
        "let hotel = select { a = wait_for::<Wire> {} => book_hotel { city: a }, _ };",
        "let hotel = select { a = wait_for::<Wire> {} => book_hotel { city: a }, _ = sle };",
        "let hotel = select { wait_for::<Wire> {} => book_hotel { city: x } };",
        "select",
        "select { a = wait_for::<Wire> {} => book_ho }",
        "let hotel = wait_for::<Wire>",
        "let hotel = wait_for::<Wire>;",
        "wait_for",
        "wait_for::<Wire>",
        "#[retry] let hotel = book_hotel { city };",
        "#[timeout = 3] let hotel = book_hotel { city };",
        "#[label] let hotel = book_hotel { city };",
        "for x in y",
        "if x { book_ho }",
        "let _",
        "let _ = ",
        "let _ = book_ho",
        "book_ho",
        "book_ho;",
        "book_ho { city }",
        "book_ho.",
        "#[after(",
        "#[after(] let hotel = book_hotel { city };",
        "#[aft(quote)] let hotel = book_hotel { city };",
        "const",
        "const X: u32",
        "parallel",
        "parallel { let",
    ] {
        // Text that is not even a sequence of tokens never gets here.
        if statement.parse::<TokenStream>().is_err() {
            continue;
        }
        let expansion = half_typed(statement);
        let mut kept = ["quote", "car", "late", "issue_itinerary"].into_iter();
        if let Some(lost) = kept.find(|node| !expansion.contains(&format!("\"{node}\""))) {
            wrong.push(format!("`{statement}` loses {lost}"));
        }
        match errors(&expansion) {
            1 => {}
            errors => wrong.push(format!("`{statement}` is {errors} errors")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_things_missing_are_two_errors() {
    assert_eq!(errors(&half_typed("let hotel = book_hotel { city: &trip. }")), 2);
}

/// An editor compares this expansion with that of `&trip.name`: up to the dot, they must be the same.
#[test]
fn half_typed_field() {
    let typed = half_typed("let hotel = book_hotel { city: &trip. };");
    insta::assert_snapshot!(typed);
}

#[test]
fn half_typed_name() {
    insta::assert_snapshot!(half_typed("let hotel = book_ho"));
}

#[test]
fn half_typed_let() {
    insta::assert_snapshot!(half_typed("let hotel ="));
}

#[test]
fn missing_semicolon() {
    insta::assert_snapshot!(half_typed("let hotel = book_hotel { city: &trip.city }"));
}

#[test]
fn half_typed_heads_are_one_error() {
    let mut wrong = Vec::new();
    for head in [
        "pub",
        "BookTrip",
        "BookTrip {}",
        "BookTrip<",
        "BookTrip<Agency>",
        "BookTrip<Agency> {}",
        "BookTrip<Agency>(",
        "BookTrip<Agency>(trip) {}",
        "BookTrip<Agency>(trip: ) {}",
        "BookTrip<Agency>(trip: TripRequest)",
        "BookTrip<Agency>(trip: TripRequest) -> {}",
        "BookTrip<Agency>(trip: &TripRequest) {}",
        "BookTrip(trip: TripRequest) { notify {}; }",
        "struct BookTrip { trip: TripRequest }",
        "BookTrip<Agency>(trip: TripRequest) {}",
    ] {
        let Ok(head) = head.parse::<TokenStream>() else { continue };
        let expansion = pretty(saga::expand(quote!(#head)));
        match errors(&expansion) {
            1 => {}
            errors => wrong.push(format!("`{head}` is {errors} errors")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
