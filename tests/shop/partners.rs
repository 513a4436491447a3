//! The partners of the shop: a bank, carriers, a mailer. They are never killed, and recognize each call
//! by its key: a repeated call has one effect, and a call that comes after its undo has none.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::dice::Dice;
use crate::wire;

/// A call from the shop.
#[derive(Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) what: What,
    /// The key of the call, or of the call to undo.
    pub(crate) key: String,
    pub(crate) order: String,
    pub(crate) of: String,
    pub(crate) cents: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    Charge,
    Ship,
    Undo,
    CheckCustomer,
    Mail,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It was done; contains a reference.
    Done(String),
    /// It was not done, but a retry may succeed.
    Busy,
    /// It was not done and never will be.
    Refused(String),
}

/// The effects for an order that were not undone.
#[derive(Default)]
pub(crate) struct Done {
    /// The amount of each charge.
    pub(crate) charges: Vec<u32>,
    pub(crate) parcels: u32,
    pub(crate) mails: u32,
}

struct Effect {
    order: String,
    what: What,
    cents: u32,
    undone: bool,
}

pub(crate) struct Partners {
    dice: Dice,
    effects: Mutex<BTreeMap<String, Effect>>,
}

impl Partners {
    /// Starts the partners on a free port.
    pub(crate) fn open(dice: Dice) -> io::Result<(Arc<Self>, SocketAddr)> {
        let partners = Arc::new(Self { dice, effects: Mutex::default() });
        let here = partners.clone();
        let address = wire::serve(move |call| match serde_json::from_value(call) {
            Ok(call) => json!(here.answer(call)),
            Err(error) => json!(Answer::Refused(error.to_string())),
        })?;
        Ok((partners, address))
    }

    pub(crate) fn done_for(&self, order: &str) -> Done {
        let mut done = Done::default();
        let effects = self.effects.lock().unwrap();
        for effect in effects.values().filter(|e| e.order == order && !e.undone) {
            match effect.what {
                What::Charge => done.charges.push(effect.cents),
                What::Ship => done.parcels += 1,
                What::Mail => done.mails += 1,
                What::Undo | What::CheckCustomer => {}
            }
        }
        done
    }

    fn answer(&self, call: Call) -> Answer {
        self.dice.sleep(2..10);
        let Call { what, key, order, of, cents } = call;
        if what == What::CheckCustomer {
            return match of.as_str() {
                "crook" => Answer::Refused("we know them".into()),
                _ => Answer::Done(key),
            };
        }
        if what == What::Charge && of == "empty card" {
            return Answer::Refused("card declined".into());
        }
        if self.dice.one_in(12) {
            return Answer::Busy;
        }
        let mut effects = self.effects.lock().unwrap();
        let effect = effects.entry(key.clone()).or_insert(Effect {
            order,
            what,
            cents,
            undone: what == What::Undo,
        });
        if what == What::Undo {
            effect.undone = true;
        } else if effect.undone {
            return Answer::Refused("it was undone".into());
        }
        drop(effects);
        if self.dice.one_in(10) {
            // It was done, but the caller times out before the answer.
            self.dice.sleep(400..600);
        }
        Answer::Done(key)
    }
}

/// Makes a call from the shop.
pub(crate) fn ask(partners: SocketAddr, call: &Call) -> io::Result<Answer> {
    let answer: Value = wire::ask(partners, &json!(call))?;
    Ok(serde_json::from_value(answer)?)
}
