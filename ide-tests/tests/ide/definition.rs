//! Where a name leads to.

use crate::typing;

/// So many places an editor may offer: one is the user's, and two stand for what `saga!` calls there.
const MOST: usize = 3;

/// From the `$0` the editor goes to this place.
fn leads_to(at: &str, place: &str) {
    typing("", |editor| {
        let places = editor.definitions(at)?;
        assert!(places.contains(place), "`{at}` leads to {places:#?}");
        assert!(places.len() <= MOST, "`{at}` leads to {places:#?}");
        Ok(())
    });
}

#[test]
fn node_to_its_let() {
    leads_to("{ fl$0ight.cents", "trip.rs: let [flight] = book_flight { city: &trip.city };");
    leads_to("*to$0tal", "trip.rs: let [total] = { flight.cents + hotel.cents };");
}

#[test]
fn node_as_shorthand_to_its_let() {
    let hotel = "let [hotel] = book_hotel { city: &trip.city, nights: trip.nights };";
    leads_to("flight, ho$0tel,", &format!("trip.rs: {hotel}"));
}

#[test]
fn node_in_after_to_its_let() {
    let car = "let [car] = rent_car { city: &flight.number, days: trip.nights };";
    leads_to("after(c$0ar)", &format!("trip.rs: {car}"));
}

#[test]
fn parameter_to_the_head() {
    let head = "pub BookTrip<()>([trip]: TripRequest) -> String {";
    leads_to("days: tr$0ip", &format!("trip.rs: {head}"));
}

#[test]
fn action_to_its_function() {
    let rent_car = "pub async fn [rent_car](_cx: &ActionContext<()>, city: &str, days: u32) \
                    -> Result<u32, String> {";
    leads_to("car = rent$0_car", &format!("actions.rs: {rent_car}"));
    let book_flight = "pub async fn [book_flight](city: &str) -> Result<Booking, String> {";
    leads_to("flight = bo$0ok_flight", &format!("actions.rs: {book_flight}"));
}

#[test]
fn input_to_the_parameter_of_the_function() {
    let book_hotel =
        "pub async fn book_hotel(city: &str, [nights]: u32) -> Result<Booking, String> {";
    leads_to("ni$0ghts: trip", &format!("actions.rs: {book_hotel}"));
}

#[test]
fn field_of_an_output_to_its_struct() {
    leads_to("flight.nu$0mber, days", "actions.rs: pub [number]: String,");
}
