//! One program in three versions: the same sagas, actions and DAGs, with another type of room.

use std::sync::{Arc, Mutex};

use saga_core::prelude::*;
use tokio::sync::Notify;

/// What was called, and whether the calls of `hold` return.
pub(crate) struct Hotel {
    called: Mutex<Vec<String>>,
    heard: Notify,
    open: bool,
}

pub(crate) type Cx = ActionContext<Arc<Hotel>>;

impl Hotel {
    pub(crate) fn new(open: bool) -> Arc<Self> {
        Arc::new(Self { called: Mutex::default(), heard: Notify::new(), open })
    }

    fn say(&self, what: impl Into<String>) {
        self.called.lock().unwrap().push(what.into());
        self.heard.notify_one();
    }

    pub(crate) fn called(&self) -> Vec<String> {
        let mut called = self.called.lock().unwrap().clone();
        called.sort();
        called
    }

    /// Waits until so many sagas are held.
    pub(crate) async fn holds(&self, sagas: usize) {
        while self.called().iter().filter(|call| call.starts_with("hold")).count() < sagas {
            self.heard.notified().await;
        }
    }
}

/// Where a saga waits while its process is replaced.
#[saga_action(no_undo)]
pub(crate) async fn hold(cx: &Cx) -> Result<(), String> {
    cx.say(format!("hold {}", cx.saga_id()));
    if !cx.open {
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// A version of the program, whose rooms have these fields after their name.
macro_rules! version {
    ($name:ident, $($room:tt)*) => {
        pub(crate) mod $name {
            use super::*;
            use serde::{Deserialize, Serialize};

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            pub(crate) struct Room {
                pub(crate) name: String,
                $($room)*
            }

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            pub(crate) struct Quote {
                pub(crate) rooms: Vec<Room>,
            }

            #[saga_action(no_undo)]
            async fn quote() -> Result<Quote, String> {
                Ok(Quote::example())
            }

            #[saga_action(undo = give_back(output))]
            async fn reserve(cx: &Cx) -> Result<Quote, String> {
                cx.say("reserve");
                Ok(Quote::example())
            }
            async fn give_back(cx: &Cx, quote: &Quote) -> Result<(), String> {
                cx.say(format!("give back {}", quote.total()));
                Ok(())
            }

            /// The saga waits in the undo.
            #[saga_action(undo = hold_back())]
            async fn borrow_key(cx: &Cx) -> Result<(), String> {
                cx.say("borrow the key");
                Ok(())
            }
            async fn hold_back(cx: &Cx) -> Result<(), String> {
                hold(cx).await
            }

            #[saga_action(no_undo)]
            async fn pay(cx: &Cx, quote: &Quote) -> Result<u64, String> {
                cx.say(format!("pay {} for {}", quote.total(), cx.saga_id()));
                Ok(quote.total())
            }

            #[saga_action(no_undo)]
            async fn pay_room(cx: &Cx, room: &Room) -> Result<u64, String> {
                hold(cx).await?;
                Ok(room.price())
            }

            saga! {
                pub(crate) Params<Arc<Hotel>>(quote: Quote) -> u64 { hold {}; pay { quote } }
                pub(crate) LaterAction<Arc<Hotel>>() -> u64 { let quote = quote {}; hold {}; pay { quote } }
                pub(crate) ItsUndo<Arc<Hotel>>() {
                    let _stay = reserve {};
                    hold {};
                    fail_if { condition: true, message: "closed" };
                }
                pub(crate) Nobody<Arc<Hotel>>() { let _quote = quote {}; hold {}; }
                pub(crate) Output<Arc<Hotel>>() -> Quote { let quote = quote {}; hold {}; quote }
                pub(crate) InSubsaga<Arc<Hotel>>() -> u64 { let inner = LaterAction {}; inner }
                pub(crate) InFor<Arc<Hotel>>() -> u64 {
                    let quotes = for _night in 0..2 { quote {} };
                    hold {};
                    { quotes.iter().map(Quote::total).sum() }
                }
                pub(crate) InIf<Arc<Hotel>>(breakfast: bool) -> u64 {
                    let quote = if *breakfast { quote {} };
                    hold {};
                    { quote.as_ref().map_or(0, Quote::total) }
                }
                pub(crate) Condition<Arc<Hotel>>() -> u64 {
                    let quote = quote {};
                    let paid = if quote.total() > 0 { hold {}; pay { quote } } else { pay { quote } };
                    paid
                }
                pub(crate) Computing<Arc<Hotel>>() -> u64 {
                    let quote = quote {};
                    hold {};
                    let total: u64 = { quote.total() };
                    { total + 1 }
                }
                pub(crate) Computed<Arc<Hotel>>() -> u64 {
                    let quote: Quote = { Quote::example() };
                    hold {};
                    pay { quote }
                }
                pub(crate) Items<Arc<Hotel>>() -> u64 {
                    let rooms: Vec<Room> = { Quote::example().rooms };
                    let paid = for room in rooms { pay_room { room } };
                    { paid.iter().sum() }
                }
                pub(crate) PastPivot<Arc<Hotel>>() -> u64 {
                    let quote = quote {};
                    #[pivot]
                    let _at = now {};
                    #[retry(forever)]
                    hold {};
                    #[retry(forever)]
                    pay { quote }
                }
                pub(crate) GoingBack<Arc<Hotel>>() {
                    let _stay = reserve {};
                    let _key = borrow_key {};
                    fail_if { condition: true, message: "closed" };
                }
                pub(crate) InnerParams<Arc<Hotel>>() -> u64 {
                    let quote = quote {};
                    let inner = Params { quote: quote.clone() };
                    inner
                }
            }

            pub(crate) async fn build(
                hotel: &Arc<Hotel>,
                store: impl saga_core::store::Store,
            ) -> Coordinator<Arc<Hotel>> {
                let builder = Coordinator::builder(hotel.clone()).store(store);
                let builder = builder.saga::<Params>().saga::<LaterAction>().saga::<ItsUndo>();
                let builder = builder.saga::<Nobody>().saga::<Output>().saga::<InSubsaga>();
                let builder = builder.saga::<InFor>().saga::<InIf>().saga::<Condition>();
                let builder = builder.saga::<Computing>().saga::<Computed>().saga::<Items>();
                let builder = builder.saga::<PastPivot>().saga::<GoingBack>();
                builder.saga::<InnerParams>().build().await.unwrap()
            }
        }
    };
}

version!(v1, pub(crate) price: u32);
// `price` has another name and is in cents, but the program that knew only that is gone
version!(v2, pub(crate) cents: u64);
version!(v3, #[serde(alias = "price")] pub(crate) cents: u64);

impl v1::Room {
    fn price(&self) -> u64 {
        self.price.into()
    }
}

impl v2::Room {
    fn price(&self) -> u64 {
        self.cents
    }
}

impl v3::Room {
    fn price(&self) -> u64 {
        self.cents
    }
}

macro_rules! total {
    ($($version:ident)*) => { $(
        impl $version::Quote {
            fn total(&self) -> u64 {
                self.rooms.iter().map($version::Room::price).sum()
            }
        }
    )* };
}
total!(v1 v2 v3);

impl v1::Quote {
    /// Nothing of it may get into a message.
    pub(crate) fn example() -> Self {
        let room = |name: &str, price| v1::Room { name: name.to_string(), price };
        Self { rooms: vec![room("s3cret", 4242), room("s3cret too", 4242)] }
    }
}

impl v2::Quote {
    pub(crate) fn example() -> Self {
        let room = |name: &str| v2::Room { name: name.to_string(), cents: 4242 };
        Self { rooms: vec![room("s3cret"), room("s3cret too")] }
    }
}

impl v3::Quote {
    pub(crate) fn example() -> Self {
        let room = |name: &str| v3::Room { name: name.to_string(), cents: 4242 };
        Self { rooms: vec![room("s3cret"), room("s3cret too")] }
    }
}
