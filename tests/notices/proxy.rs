//! Something between operator and mail server that loses answers.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;

/// What happens to the answer after a mail's last dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first so many are lost, with the connection.
    Lost(usize),
    /// None is ever handed on.
    Held,
    /// Each comes so much later.
    Late(Duration),
}

pub struct Proxy {
    pub port: u16,
    /// A mail was taken by the server, and the answer did not come through.
    pub swallowed: Arc<Notify>,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

/// What both directions of a connection know.
#[derive(Clone)]
struct Way {
    answer: Answer,
    after_dot: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
    told: Arc<Notify>,
}

impl Proxy {
    pub fn before(server: u16, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (swallowed, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (told, ends, lost) = (swallowed.clone(), over.clone(), Arc::new(AtomicUsize::new(0)));
        let listening = std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let way = Way { answer, after_dot: Arc::default(), lost: lost.clone(), told: told.clone() };
                way.open(client, server);
            }
        });
        Self { port, swallowed, over, listening: Some(listening) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Somebody at the door, so that it is looked at once more.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        self.listening.take().map(JoinHandle::join);
    }
}

impl Way {
    fn open(self, client: TcpStream, server: u16) {
        let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
        let (client_too, server_too) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
        let up = self.clone();
        std::thread::spawn(move || up.up(client_too, server_too));
        std::thread::spawn(move || self.down(server, client));
    }

    fn up(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut buffer, mut tail) = (vec![0; 65536], Vec::new());
        while let Ok(read @ 1..) = client.read(&mut buffer) {
            tail.extend_from_slice(&buffer[..read]);
            let surplus = tail.len().saturating_sub(5);
            tail.drain(..surplus);
            self.after_dot.store(tail == b"\r\n.\r\n", Ordering::SeqCst);
            if server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        server.shutdown(Shutdown::Both).ok();
    }

    fn down(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut buffer = vec![0; 65536];
        while let Ok(read @ 1..) = server.read(&mut buffer) {
            if self.after_dot.swap(false, Ordering::SeqCst) {
                match self.answer {
                    Answer::Lost(most) if self.lost.fetch_add(1, Ordering::SeqCst) < most => {
                        self.told.notify_one();
                        break;
                    }
                    // The connection stays open, and nothing comes.
                    Answer::Held => {
                        self.told.notify_one();
                        continue;
                    }
                    Answer::Late(wait) => std::thread::sleep(wait),
                    Answer::Lost(_) => {}
                }
            }
            if client.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        client.shutdown(Shutdown::Both).ok();
        server.shutdown(Shutdown::Both).ok();
    }
}
