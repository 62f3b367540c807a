//! What the pod that a VM runs in asks for, in KubeVirt 1.9's arithmetic (`pkg/hypervisor/kvm`): the guest's memory and
//! what stands beside it. A quota that allowed the guests' memory alone would refuse the last VMs of a full contract.

use crate::api::tenant::{Confidential, Isolation};
use crate::foreign::instancetype::Size;

const NANOS: i128 = 1_000_000_000;
const MEBIBYTE: i128 = (1 << 20) * NANOS;

/// MiB beside each guest: launcher and its monitor (100 + 25), virtlogd (25), virtqemud (40), QEMU (30), one I/O thread
/// (8), swtpm (53). Our VMs have a TPM, no display and no log of the console.
const FIXED: i128 = 281 * MEBIBYTE;

/// MiB for each virtual CPU.
const PER_VCPU: i128 = 8 * MEBIBYTE;

/// MiB beside each guest whose memory SEV encrypts.
const SEV: i128 = 256 * MEBIBYTE;

/// MiB beside each guest that has whole CPUs: the kubelet kills a pod of that class at its limit, so KubeVirt allows more.
const WHOLE_CPUS: i128 = 100 * MEBIBYTE;

/// Where an instance type gives whole CPUs, it usually has one more for the emulator.
const EMULATOR: i64 = 1;

/// Page tables take this part of the guest's memory. KubeVirt counts them only for VMs that state requests beside the
/// guest's memory, which ours do not; the room is for instance types that do.
const PAGE_TABLES: i128 = 512;

/// TPM and UEFI variables have a claim of 10 MiB, and a second one while the VM moves where claims cannot be shared.
const STATE: i128 = 20 * MEBIBYTE;

/// Billionths of a byte that so many VMs ask for beside their guests, who have so many CPUs and so much memory together.
pub fn memory_beside(isolation: &Isolation, instances: i64, vcpus: i64, memory: i128) -> i128 {
    let sev = if isolation.confidential == Confidential::SevSnp { SEV } else { 0 };
    let whole = if isolation.dedicated_cpu { WHOLE_CPUS } else { 0 };
    i128::from(instances) * (FIXED + sev + whole) + i128::from(vcpus) * PER_VCPU + memory / PAGE_TABLES
}

/// What VMs whose instance type gives them whole CPUs ask for on top of that: CPUs, and billionths of a byte.
pub fn pinned_beside(isolation: &Isolation, sizes: impl Iterator<Item = Size>) -> (i64, i128) {
    let pinned = i64::try_from(sizes.filter(|size| size.pinned).count()).unwrap_or(i64::MAX);
    let memory = if isolation.dedicated_cpu { 0 } else { i128::from(pinned) * WHOLE_CPUS };
    (pinned * EMULATOR, memory)
}

/// Billionths of a byte of storage that so many VMs take beside their disks.
pub fn storage_beside(instances: i64) -> i128 {
    i128::from(instances) * STATE
}

/// What one more pod of the largest of these VMs asks for: CPUs, and billionths of a byte. While a VM moves to another
/// node it has two.
pub fn largest(isolation: &Isolation, sizes: impl Iterator<Item = Size> + Clone) -> (i64, i128) {
    let of = |size: Size| {
        let (cpus, bytes) = pinned_beside(isolation, std::iter::once(size));
        let guest = size.memory.nanos();
        (size.vcpus + cpus, guest + memory_beside(isolation, 1, size.vcpus, guest) + bytes)
    };
    let vcpus = sizes.clone().map(|size| of(size).0).max();
    (vcpus.unwrap_or_default(), sizes.map(|size| of(size).1).max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::quantity::Quantity;

    fn size(vcpus: i64, memory: &str) -> Size {
        Size { vcpus, memory: memory.parse().unwrap(), pinned: false }
    }

    #[test]
    fn the_pod_of_a_vm_asks_for_no_more_than_is_reckoned() {
        // u1.medium: 1 CPU, 4Gi. 281 + 8 + 4096 / 512.
        let beside = |isolation: Isolation| {
            let nanos = memory_beside(&isolation, 1, 1, size(1, "4Gi").memory.nanos());
            Quantity::bytes(0).with_nanos(nanos).to_string()
        };
        assert_eq!(beside(Isolation::default()), "297Mi");
        assert_eq!(beside(Isolation { confidential: Confidential::SevSnp, ..Isolation::default() }), "553Mi");
        assert_eq!(beside(Isolation { dedicated_cpu: true, ..Isolation::default() }), "397Mi");
        assert_eq!(Quantity::bytes(0).with_nanos(storage_beside(3)).to_string(), "60Mi");
    }

    #[test]
    fn head_room_is_that_of_the_largest_vm_by_each_resource_and_none_without_vms() {
        let shared = Isolation::default();
        assert_eq!(largest(&shared, [].into_iter()), (0, 0));
        let (vcpus, memory) = largest(&shared, [size(8, "1Gi"), size(1, "4Gi")].into_iter());
        assert_eq!((vcpus, Quantity::bytes(0).with_nanos(memory).to_string().as_str()), (8, "4393Mi"));
    }

    #[test]
    fn an_instance_type_that_pins_cpus_has_room_for_its_emulator_and_its_class_of_pod_once() {
        let pinned = Size { pinned: true, ..size(2, "4Gi") };
        let text = |nanos: i128| Quantity::bytes(0).with_nanos(nanos).to_string();
        let (cpus, memory) = pinned_beside(&Isolation::default(), [pinned, size(2, "4Gi"), pinned].into_iter());
        assert_eq!((cpus, text(memory).as_str()), (2, "200Mi"));
        let whole = Isolation { dedicated_cpu: true, ..Isolation::default() };
        assert_eq!(pinned_beside(&whole, [pinned].into_iter()), (1, 0), "every VM has that memory already");
        let (cpus, memory) = largest(&Isolation::default(), [pinned].into_iter());
        assert_eq!((cpus, text(memory).as_str()), (3, "4501Mi"));
    }
}
