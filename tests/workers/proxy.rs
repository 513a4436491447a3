//! A network that fails, between a worker and its database.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::dice::Dice;

/// Passes on what a worker and a server send each other, or does not. It does so until the program ends.
pub(crate) struct Proxy {
    url: String,
    network: Arc<Network>,
}

struct Network {
    server: SocketAddr,
    /// The connection on which all of this is sent is cut once the server has replied to it, and the reply is lost.
    lose_reply_to: Mutex<Vec<String>>,
    /// Connections on which this is sent are cut at random, before or after the server has executed it.
    cut_at: Mutex<Option<(&'static str, Arc<Dice>)>>,
    /// How many were, before and after.
    cuts_at: [AtomicU32; 2],
    /// Nothing arrives any more on connections with a lower number.
    swallowed: AtomicU32,
    connections: AtomicU32,
    /// Nothing arrives anywhere, until this ends.
    held_up: AtomicBool,
    /// Cuts and delays at random.
    dice: Mutex<Option<Arc<Dice>>>,
    cuts: AtomicU32,
}

/// The two directions of a connection.
#[derive(Clone)]
struct Connection {
    number: u32,
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    /// The next thing that the server says is lost.
    is_doomed: Arc<AtomicBool>,
}

impl Connection {
    fn cut(&self) {
        // it may have been closed by then
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// A network to the server of this URL.
    pub(crate) fn to(url: &str) -> Self {
        // postgres://user:password@host:port/database?parameters
        let server = url.find('@').map_or_else(|| url.find("://").unwrap() + 3, |at| at + 1);
        let (before, rest) = url.split_at(server);
        let (server, database) = rest.split_once('/').unwrap();
        let server =
            if server.contains(':') { server.to_string() } else { format!("{server}:5432") };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let here = listener.local_addr().unwrap();
        let network = Arc::new(Network {
            server: server.to_socket_addrs().unwrap().next().unwrap(),
            lose_reply_to: Mutex::default(),
            cut_at: Mutex::default(),
            cuts_at: Default::default(),
            swallowed: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            held_up: AtomicBool::new(false),
            dice: Mutex::default(),
            cuts: AtomicU32::new(0),
        });
        let to = network.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // a server that does not run refuses
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(to.server)) {
                    to.connect(client, server);
                }
            }
        });
        Self { url: format!("{before}{here}/{database}"), network }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Loses the reply to the next statement that contains these texts, after the server has executed it.
    pub(crate) fn lose_reply_to(&self, texts: &[&str]) {
        let texts = texts.iter().map(|text| text.to_string()).collect();
        *self.network.lose_reply_to.lock().unwrap() = texts;
    }

    /// True once that has happened.
    pub(crate) fn has_lost_it(&self) -> bool {
        self.network.lose_reply_to.lock().unwrap().is_empty()
    }

    /// Cuts some of the connections on which this text is sent, at that moment or once the server has executed it.
    pub(crate) fn cut_at(&self, text: &'static str, seed: u64) {
        *self.network.cut_at.lock().unwrap() = Some((text, Arc::new(Dice::new(seed))));
    }

    /// How many connections were cut before the server had executed that, and how many afterwards.
    pub(crate) fn cuts_at(&self) -> (u32, u32) {
        let [before, after] = &self.network.cuts_at;
        (before.load(SeqCst), after.load(SeqCst))
    }

    /// Holds up everything that is sent, in both directions.
    pub(crate) fn hold_up(&self) {
        self.network.held_up.store(true, SeqCst);
    }

    /// Swallows whatever is sent on the connections that there are now, which stay open. Returns how many there were.
    pub(crate) fn swallow(&self) -> u32 {
        let connections = self.network.connections.load(SeqCst);
        self.network.swallowed.store(connections, SeqCst);
        connections
    }

    /// Everything that was held up arrives now, even if nobody waits for it any more.
    pub(crate) fn deliver(&self) {
        self.network.held_up.store(false, SeqCst);
    }

    /// Delays at random, and cuts connections before and after the server has executed a statement.
    pub(crate) fn fail_at_random(&self, seed: u64) {
        *self.network.dice.lock().unwrap() = Some(Arc::new(Dice::new(seed)));
    }

    pub(crate) fn work(&self) {
        *self.network.dice.lock().unwrap() = None;
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u32 {
        self.network.cuts.load(SeqCst)
    }
}

impl Network {
    fn connect(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let (client, server) = (Arc::new(client), Arc::new(server));
        let number = self.connections.fetch_add(1, SeqCst);
        let connection = Connection { number, client, server, is_doomed: Arc::default() };
        let (network, there) = (self.clone(), connection.clone());
        std::thread::spawn(move || {
            network.pass(&there, &there.client, &there.server, Self::may_be_asked);
        });
        let network = self.clone();
        std::thread::spawn(move || {
            let (from, to) = (&connection.server, &connection.client);
            network.pass(&connection, from, to, Self::may_be_answered);
        });
    }

    /// Passes on one direction, until it ends or something says that the connection is to be cut.
    fn pass(
        &self,
        connection: &Connection,
        mut from: &TcpStream,
        mut to: &TcpStream,
        passes: fn(&Self, &Connection, &[u8]) -> bool,
    ) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            while self.held_up.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            if connection.number < self.swallowed.load(SeqCst) {
                continue;
            }
            if !passes(self, connection, &buffer[..read]) {
                self.cuts.fetch_add(1, SeqCst);
                return connection.cut();
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn may_be_asked(&self, connection: &Connection, asked: &[u8]) -> bool {
        let contains = |text: &str| asked.windows(text.len()).any(|part| part == text.as_bytes());
        if let Some((text, dice)) = self.cut_at.lock().unwrap().clone()
            && contains(text)
        {
            let [before, after] = &self.cuts_at;
            match dice.roll(4) {
                0 => {
                    before.fetch_add(1, SeqCst);
                    return false;
                }
                1 => {
                    after.fetch_add(1, SeqCst);
                    connection.is_doomed.store(true, SeqCst);
                }
                _ => {}
            }
        }
        let mut lose = self.lose_reply_to.lock().unwrap();
        if !lose.is_empty() && lose.iter().all(|text| contains(text)) {
            lose.clear();
            connection.is_doomed.store(true, SeqCst);
        }
        drop(lose);
        let Some(dice) = self.dice.lock().unwrap().clone() else { return true };
        if dice.one_in(15) {
            dice.sleep(1..200);
        }
        if dice.one_in(40) {
            connection.is_doomed.store(true, SeqCst);
        }
        !dice.one_in(40)
    }

    fn may_be_answered(&self, connection: &Connection, _answer: &[u8]) -> bool {
        !connection.is_doomed.load(SeqCst)
    }
}
