//! The protocol between the programs: one line of JSON in each direction, on a connection of its own.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes if the other side is alive.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Listens on a free port, and answers there for as long as the process lives.
pub(crate) fn serve(
    answer: impl Fn(Value) -> Value + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answer = answer.clone();
            // The client may be dead by the time of the answer.
            std::thread::spawn(move || drop(reply(connection, &*answer)));
        }
    });
    Ok(address)
}

fn reply(mut connection: TcpStream, answer: &impl Fn(Value) -> Value) -> io::Result<()> {
    let asked = read(&connection)?;
    write(&mut connection, &answer(asked))
}

/// Asks a question, and waits for the answer.
pub(crate) fn ask(address: SocketAddr, question: &Value) -> io::Result<Value> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    write(&mut connection, question)?;
    read(&connection)
}

fn read(connection: &TcpStream) -> io::Result<Value> {
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

fn write(connection: &mut TcpStream, value: &Value) -> io::Result<()> {
    connection.write_all(format!("{value}\n").as_bytes())
}
