//! What a `for` can run over: every collection with an order of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use saga_core::Limits;
use saga_core::dag::Dag;
use saga_core::prelude::*;
use saga_core::typed::Items;

use super::Any;

#[saga_action(no_undo)]
async fn say(text: &str) -> Result<String, String> {
    Ok(text.to_string())
}

/// A list of the user's own.
struct Countdown(u8);

impl Items for Countdown {
    type Item = u8;
    fn in_order(self) -> impl Iterator<Item = u8> {
        (1..=self.0).rev()
    }
}

saga! {
    Lists<()>(
        n: u8,
        list: Vec<i64>,
        by_name: BTreeMap<String, i64>,
        queue: VecDeque<i64>,
        names: BTreeSet<String>,
        text: String,
    ) -> Vec<String> {
        parallel {
            let range = for i in 0..*n { say { text: &i.to_string() } };
            let inclusive = for i in 1..=*n { say { text: &i.to_string() } };
            let iter = for x in list.iter() { say { text: &x.to_string() } };
            let numbered = for (i, x) in list.iter().enumerate() { say { text: &format!("{i}:{x}") } };
            let map = for (name, x) in by_name { say { text: &format!("{name}={x}") } };
            let owned = for (name, x) in by_name.clone() { say { text: &format!("{name}={x}") } };
            let keys = for name in by_name.keys().rev() { say { text: name } };
            let deque = for x in queue { say { text: &x.to_string() } };
            let set = for name in names { say { text: name } };
            let chars = for c in text.chars().filter(|c| c.is_alphabetic()) { say { text: &c.to_string() } };
            let words = for part in text.split([',', ';']) { for word in part.split_whitespace() { say { text: word } } };
            let pairs = for (x, i) in list.windows(2).map(|w| w[0] + w[1]).zip(1u8..) { say { text: &format!("{x}/{i}") } };
            let each = for x in list.iter().chain(queue).flat_map(|x| vec![*x; 2]).skip(1).step_by(2) {
                let local: String = { x.to_string() };
                say { text: &format!("{local}!") }
            };
            let own = for x in Countdown(*n) { say { text: &x.to_string() } };
        }
        {
            let all = [range, inclusive, iter, numbered, map, owned, keys, deque, set, chars, pairs, each, own];
            all.map(|list| list.join(" ")).into_iter().chain(words.iter().map(|words| words.join("-"))).collect()
        }
    }

    Long<()>(n: u64) -> Vec<String> {
        for i in 0..*n { say { text: &i.to_string() } }
    }
}

#[tokio::test]
async fn for_accepts_every_ordered_collection() -> Result<(), Any> {
    let sec = Coordinator::builder(()).saga::<Lists>().build().await?;
    let said = sec.run(Lists {
        n: 2,
        list: vec![5, 6],
        by_name: [("b", 2), ("a", 1)].map(|(name, x)| (name.to_string(), x)).into(),
        queue: [8, 9].into(),
        names: ["x", "w"].map(String::from).into(),
        text: "p q,r".to_string(),
    });
    assert_eq!(
        said.await?,
        [
            "0 1",
            "1 2",
            "5 6",
            "0:5 1:6",
            "a=1 b=2",
            "a=1 b=2",
            "b a",
            "8 9",
            "w x",
            "p q r",
            "11/1",
            "5! 6! 8! 9!",
            "2 1",
            "p-q",
            "r"
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_range_has_the_same_limit_as_a_list() -> Result<(), Any> {
    let limits = Limits::default().max_width(3);
    let sec = Coordinator::builder(()).saga::<Long>().limits(limits).build().await?;
    assert_eq!(sec.run(Long { n: 3 }).await?, ["0", "1", "2"]);
    for n in [4, u64::MAX] {
        let error = sec.run(Long { n }).await.err().ok_or("it completed")?;
        assert!(error.to_string().contains("more than the limit of 3"), "{error}");
    }
    Dag::of::<Long>()?;
    Ok(())
}
