//! Something between operator and mail server that loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
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
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn before(server: u16, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let swallowed = Arc::new(Notify::new());
        let (told, count) = (swallowed.clone(), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(between(client, server, answer, told.clone(), count.clone()));
            }
        });
        Self { port, swallowed, task }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn between(mut client: TcpStream, server: u16, answer: Answer, told: Arc<Notify>, count: Arc<AtomicUsize>) {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await.expect("the server");
    let (mut up, mut down) = (vec![0; 65536], vec![0; 65536]);
    let (mut tail, mut after_dot) = (Vec::new(), false);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                tail.extend_from_slice(&up[..read]);
                let keep = tail.len().saturating_sub(5);
                tail.drain(..keep);
                after_dot = tail == b"\r\n.\r\n";
                if server.write_all(&up[..read]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if std::mem::take(&mut after_dot) {
                    match answer {
                        Answer::Lost(most) if count.fetch_add(1, Ordering::SeqCst) < most => {
                            told.notify_one();
                            return;
                        }
                        Answer::Held => {
                            told.notify_one();
                            std::future::pending::<()>().await;
                        }
                        Answer::Late(wait) => tokio::time::sleep(wait).await,
                        Answer::Lost(_) => {}
                    }
                }
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}
