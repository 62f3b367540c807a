//! Pure: every flow that is looked at, with what is expected of it. Written by hand from what rules mean; the policies come
//! from the builders ([`super::walls`]), and a mistake in those is not repeated here.

use std::fmt;

/// One connection that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub to: Pod,
    pub protocol: Protocol,
    pub port: u16,
    pub open: bool,
    /// Why it should be as it should be.
    pub because: &'static str,
}

/// Whom the caller calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pod {
    /// In the caller's namespace, on another network, with rules between the two.
    Listener,
    /// In the caller's namespace, on a network of the caller whose members reach each other.
    Neighbour,
    /// In the other namespace, with the labels of [`Pod::Listener`].
    Stranger,
}

/// How it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Port of the other namespace's listener that is opened for the caller by namespace, beside tenants' policies: the
/// witness that it lives, without whom everything there being closed would mean nothing.
pub const WITNESS: u16 = 8100;

/// One for each thing that a rule can say, and one for what it does not say.
pub const FLOWS: [Flow; 16] = [
    flow(Pod::Listener, Protocol::Tcp, 8001, true, "a rule names the VM, and its twin lets it in"),
    flow(Pod::Listener, Protocol::Udp, 8001, true, "a rule names the VM, and its twin lets it in"),
    flow(Pod::Listener, Protocol::Tcp, 8002, false, "no rule names the port"),
    flow(Pod::Listener, Protocol::Tcp, 8010, true, "a rule names the network and a range that begins here"),
    flow(Pod::Listener, Protocol::Tcp, 8012, true, "a rule names the network and a range that ends here"),
    flow(Pod::Listener, Protocol::Tcp, 8013, false, "the range ends before it"),
    flow(Pod::Listener, Protocol::Udp, 8010, false, "the range is of TCP"),
    flow(Pod::Listener, Protocol::Tcp, 8020, false, "only egress names it"),
    flow(Pod::Listener, Protocol::Tcp, 8021, false, "only ingress names it"),
    flow(Pod::Listener, Protocol::Tcp, 8030, false, "the address is among the exceptions of its CIDR"),
    flow(Pod::Neighbour, Protocol::Tcp, 8001, true, "members of the network reach each other"),
    flow(Pod::Neighbour, Protocol::Udp, 8001, true, "members of the network reach each other"),
    flow(Pod::Stranger, Protocol::Tcp, 8001, false, "it is in another namespace, whatever its labels"),
    flow(Pod::Stranger, Protocol::Udp, 8001, false, "it is in another namespace, whatever its labels"),
    flow(Pod::Stranger, Protocol::Tcp, 8010, false, "it is in another namespace, whatever its labels"),
    flow(Pod::Stranger, Protocol::Tcp, WITNESS, true, "a policy opens it for this namespace"),
];

const fn flow(to: Pod, protocol: Protocol, port: u16, open: bool, because: &'static str) -> Flow {
    Flow { to, protocol, port, open, because }
}

impl Pod {
    pub const ALL: [Self; 3] = [Self::Listener, Self::Neighbour, Self::Stranger];

    /// Namespace, and name of the Deployment and the Service.
    #[must_use]
    pub fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Listener => (super::NAMESPACE_A, "listener"),
            Self::Neighbour => (super::NAMESPACE_A, "neighbour"),
            Self::Stranger => (super::NAMESPACE_B, "listener"),
        }
    }

    /// Ports on which it is called.
    pub fn ports(self, protocol: Protocol) -> impl Iterator<Item = u16> {
        FLOWS.iter().filter(move |flow| flow.to == self && flow.protocol == protocol).map(|flow| flow.port)
    }
}

impl Flow {
    /// `caller -> cloudfarm-probe-b/listener (10.244.0.9) TCP 8001 is open; it should be closed: …`.
    #[must_use]
    pub fn told(&self, address: impl fmt::Display) -> String {
        let (namespace, name) = self.to.place();
        let word = |open: bool| if open { "open" } else { "closed" };
        let protocol = format!("{:?}", self.protocol).to_uppercase();
        format!(
            "caller -> {namespace}/{name} ({address}) {protocol} {} is {}; it should be {}: {}",
            self.port,
            word(!self.open),
            word(self.open),
            self.because
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pod_that_is_called_has_a_flow_that_is_open_so_that_a_dead_one_is_noticed() {
        for pod in Pod::ALL {
            assert!(FLOWS.iter().any(|flow| flow.to == pod && flow.open), "{pod:?}");
        }
    }

    #[test]
    fn what_is_told_of_a_flow_fits_the_status() {
        for flow in FLOWS {
            assert!(flow.told("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff").len() <= 512);
        }
    }
}
