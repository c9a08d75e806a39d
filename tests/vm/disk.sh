#!/bin/sh
# Builds the virtual machine's disk once and prints the folder that holds it:
# disk.img, vmlinuz and initrd under .build/vm/KEY, where KEY hashes this script
# and guest/, so that a change of either builds afresh and an old disk is dropped.
#
# No loop device and no mount are needed: mkfs.ext4 -d copies a folder into the
# image. debootstrap does need root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
store=$top/.build/vm
suite=bookworm
packages=systemd,systemd-sysv,dbus,udev,linux-image-cloud-amd64,kmod,procps,strace,iproute2,nftables,busybox-static,attr,libcap2-bin,debootstrap,e2fsprogs,gcc,libc6-dev,zstd,bzip2,xz-utils,podman,netavark,conmon,runc

key=$(cat "$0" "$here"/guest/* | sha256sum | cut -c1-16)
disk=$store/$key
if [ -f "$disk/complete" ]; then
	echo "$disk"
	exit 0
fi

[ "$(id -u)" = 0 ] || { echo "vm: building the disk needs root (debootstrap)" >&2; exit 1; }
for tool in debootstrap mkfs.ext4; do
	command -v "$tool" >/dev/null || { echo "vm: $tool is missing: run make setup" >&2; exit 1; }
done

mkdir -p "$store" "$top/.build/apt"
# Other keys are of no use once the recipe has changed, and each is a gigabyte.
find "$store" -mindepth 1 -maxdepth 1 -type d -exec rm -rf --one-file-system {} +
work=$store/$key.new
root=$work/root
mkdir -p "$work"

echo "vm: debootstrap $suite with systemd and a kernel (about a minute)" >&2
if ! debootstrap --variant=minbase --cache-dir="$top/.build/apt" \
	--include="$packages" "$suite" "$root" >"$work/debootstrap.log" 2>&1; then
	tail -20 "$work/debootstrap.log" >&2
	exit 1
fi

# Under plain emulation each module the initrd tries costs time at every boot:
# keep the two drivers that reach the root disk.
printf 'MODULES=list\nCOMPRESS=zstd\n' >"$root/etc/initramfs-tools/conf.d/small"
printf '%s\n' virtio_pci virtio_blk ext4 >>"$root/etc/initramfs-tools/modules"
chroot "$root" update-initramfs -u >>"$work/debootstrap.log" 2>&1
cp -L "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp -L "$root"/boot/initrd.img-* "$work/initrd"

install -m 755 "$here/guest/berth-vm" "$root/usr/local/sbin/berth-vm"
install -m 644 "$here/guest/berth-vm.service" "$root/etc/systemd/system/berth-vm.service"
install -m 644 "$here/guest/fstab" "$root/etc/fstab"
mkdir -p "$root/payload" "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../berth-vm.service "$root/etc/systemd/system/multi-user.target.wants/berth-vm.service"
ln -sf /usr/lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
# Nothing logs in and nothing is upgraded: these units only cost boot time.
for unit in getty@.service serial-getty@.service apt-daily.timer apt-daily-upgrade.timer \
	dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
	systemd-timesyncd.service systemd-logind.service systemd-update-utmp.service; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
echo berth-vm >"$root/etc/hostname"
: >"$root/etc/machine-id"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/boot/initrd* "$root"/boot/vmlinuz* "$root"/usr/share/doc \
	"$root"/usr/share/locale "$root"/usr/share/man

truncate -s 3G "$work/disk.img"
# No journal: the disk is opened with -snapshot and thrown away.
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1,nodiscard -d "$root" "$work/disk.img"
rm -rf --one-file-system "$root"
touch "$work/complete"
mv "$work" "$disk"
echo "$disk"
