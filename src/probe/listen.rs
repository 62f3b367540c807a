//! The pods that are called: every port answers what it hears.

use std::io;
use std::net::Ipv6Addr;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

/// What a listener says to whoever comes.
pub const ANSWER: &[u8] = b"cloudfarm probe\n";

/// Answers on these ports, of both families, until a port fails; returns why.
///
/// # Errors
/// A port cannot be listened on.
pub async fn listen(tcp: &[u16], udp: &[u16]) -> io::Result<()> {
    let mut ports = JoinSet::new();
    for port in tcp {
        // Where a pod has IPv4 alone, the address of both families still takes it.
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).await?;
        ports.spawn(answer(listener));
    }
    for port in udp {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, *port)).await?;
        ports.spawn(echo(socket));
    }
    match ports.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(io::Error::other(error)),
        None => Ok(()),
    }
}

async fn answer(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // A fresh connection takes these few bytes; whoever hung up already has seen that the port is open.
        if stream.writable().await.is_ok() {
            let _ = stream.try_write(ANSWER);
        }
    }
}

async fn echo(socket: UdpSocket) -> io::Result<()> {
    let mut heard = [0; 64];
    loop {
        // An earlier answer that nobody took comes back as an error of the socket, and means nothing.
        if let Ok((length, from)) = socket.recv_from(&mut heard).await {
            let _ = socket.send_to(&heard[..length], from).await;
        }
    }
}
