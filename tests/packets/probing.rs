//! Packets that ask: is this open?
//!
//! One thread asks for everybody. It enters the network where a packet starts, makes the socket there, and goes on; a
//! socket stays in the network it was made in.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{bind, connect, recv, send, socket_with, sockopt::socket_error};

use super::places::Place;
use super::support::node::go_to;

/// How long an answer is waited for: with every other at the same time, on a machine that does something else, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many are asked at once.
const AT_ONCE: usize = 512;

/// One question.
#[derive(Clone)]
pub struct Try<'a> {
    pub from: &'a Place,
    /// The address that it starts from: one of the place's own.
    pub source: IpAddr,
    pub to: SocketAddr,
    pub protocol: &'static str,
    /// Says the other end something? The API server waits for its caller to begin.
    pub is_answered: bool,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the other end said.
    Open(String),
    /// Refused aloud: by a rule, or since nobody listens.
    Refused,
    /// No answer at all, or one that has no place here.
    Odd(String),
}

struct Asked {
    index: usize,
    socket: OwnedFd,
    since: Instant,
}

/// Asks everything, and waits for each answer.
pub fn ask(tries: &[Try]) -> Vec<Answer> {
    ask_within(tries, PATIENCE)
}

/// The same with another patience.
pub fn ask_within(tries: &[Try], patience: Duration) -> Vec<Answer> {
    // On a thread of its own, for it does not find its way back.
    let asking = || {
        let mut answers = vec![None; tries.len()];
        for (chunk, part) in tries.chunks(AT_ONCE).enumerate() {
            round(part, &mut answers[chunk * AT_ONCE..], patience);
        }
        answers.into_iter().map(|answer| answer.expect("each has one")).collect()
    };
    std::thread::scope(|scope| scope.spawn(asking).join()).expect("no panic while asking")
}

fn round(tries: &[Try], answers: &mut [Option<Answer>], patience: Duration) {
    let mut waiting = Vec::new();
    let mut here: Option<&Place> = None;
    for (index, each) in tries.iter().enumerate() {
        if !here.is_some_and(|here| std::ptr::eq(here, each.from)) {
            go_to(&each.from.network);
            here = Some(each.from);
        }
        match begin(each) {
            Ok(socket) => waiting.push(Asked { index, socket, since: Instant::now() }),
            Err(error) => answers[index] = Some(failed(error)),
        }
    }
    while !waiting.is_empty() {
        wait(tries, &waiting);
        waiting.retain(|asked| {
            let answer = look(&tries[asked.index], asked, patience);
            let open = answer.is_none();
            answers[asked.index] = answer.or(answers[asked.index].take());
            open
        });
    }
}

fn begin(each: &Try) -> Result<OwnedFd, Errno> {
    let family = if each.to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = if each.protocol == "TCP" { SocketType::STREAM } else { SocketType::DGRAM };
    let socket = socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddr::new(each.source, 0))?;
    match connect(&socket, &each.to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    // A refusal that comes while connect() still has the socket is kept as a soft error: nothing wakes a poll, and the
    // question would be asked again after a second. Here it can be read.
    socket_error(&socket)??;
    if each.protocol == "UDP" {
        send(&socket, b"?", SendFlags::NOSIGNAL)?;
    }
    Ok(socket)
}

fn wait(tries: &[Try], waiting: &[Asked]) {
    let wanted = |asked: &Asked| if tries[asked.index].is_answered { PollFlags::IN } else { PollFlags::OUT };
    let mut all: Vec<PollFd> = waiting.iter().map(|asked| PollFd::new(&asked.socket, wanted(asked))).collect();
    let soon = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    poll(&mut all, Some(&soon)).ok();
}

/// The answer, if there is one by now.
fn look(each: &Try, asked: &Asked, patience: Duration) -> Option<Answer> {
    if let Err(error) = socket_error(asked.socket.as_fd()).and_then(|error| error) {
        return Some(failed(error));
    }
    let mut text = [0_u8; 128];
    match recv(&asked.socket, &mut text, RecvFlags::DONTWAIT) {
        Ok((length, _)) => Some(Answer::Open(String::from_utf8_lossy(&text[..length]).into_owned())),
        Err(Errno::AGAIN | Errno::NOTCONN) => {
            let connected = !each.is_answered && rustix::net::getpeername(&asked.socket).is_ok();
            if connected {
                return Some(Answer::Open(String::new()));
            }
            (asked.since.elapsed() > patience).then(|| Answer::Odd("no answer".into()))
        }
        Err(error) => Some(failed(error)),
    }
}

fn failed(error: Errno) -> Answer {
    match error {
        Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::ACCESS | Errno::PERM => Answer::Refused,
        other => Answer::Odd(format!("{other}")),
    }
}
