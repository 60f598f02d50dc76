#!/usr/bin/env bash
# Show the main job live on real servers: one LDAP attribute sends a person's
# client to the right IMAP server, another one whoever opens a shared mailbox.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sandbox=$here/sandbox
client=$here/sandbox.d/client
# As long as the servers' caches may need, and much more.
move_timeout_secs=15

bold='' blue='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$'\e[1m' blue=$'\e[36m' plain=$'\e[0m'
fi

fail() {
	echo "demo: $*" >&2
	echo "The servers are still running; their logs: $IMAP1_LOG," \
		"$IMAP2_LOG, $IMAP3_LOG." >&2
	exit 1
}

scene() {
	printf '\n%s%s%s\n' "$bold" "$1" "$plain"
	shift
	printf '%s\n' "$@" ''
}

start_afresh() {
	echo "Starting two LDAP servers and three IMAP servers"
	"$sandbox" stop
	"$sandbox" start
	eval "$("$sandbox" env)"
	imap1=$IMAP1_HOST:$IMAP1_PORT
	imap2=$IMAP2_HOST:$IMAP2_PORT
	imap3=$IMAP3_HOST:$IMAP3_PORT
	"$sandbox" status | sed 's/^/  /'
}

say_who_lives_where() {
	cat <<END

Who lives where, as the directory has it:
  imap1  alice
  imap2  bob; Shared/sales with what is below it
  imap3  carol; Shared/Büro & co, and a copy of Shared/sales
dave has no home there and may log in anywhere; erin's home is a server that does not exist.
END
}

bob_logs_in() {
	scene "1. bob logs in at imap1, but his home is imap2" \
		"His entry in LDAP says \"mailHost: $IMAP2_HOST\". Watch imap1 check his password" \
		"and then send him there."
	"$client" --expect "$imap2" "$imap1" bob "$USER_PASSWORD" ||
		fail "bob should have come to imap2"
}

alice_opens_mailbox() {
	scene "2. alice is at home at imap1, but the sales team's mailbox is on imap2" \
		"The mailbox has an entry of its own in LDAP, with a labeledURI. Her login is" \
		"accepted; opening Shared/sales sends her client to imap2, where it reads a message."
	"$client" --expect "$imap2" "$imap1" alice "$USER_PASSWORD" \
		Shared/sales || fail "alice should have read Shared/sales on imap2"
}

move_alice() {
	local dn="uid=alice,ou=people,$LDAP_BASE"
	local ldif="dn: $dn
changetype: modify
replace: mailHost
mailHost: $IMAP3_HOST"

	scene "3. An administrator moves alice to imap3" \
		"One attribute changes in LDAP; no mail server is touched."
	printf '  %s$ ldapmodify -x -H %s -D %s -w %s%s\n' "$blue" "$LDAP1_URI" \
		"$LDAP_ADMIN_DN" "$LDAP_ADMIN_PASSWORD" "$plain"
	printf '%s\n' "$ldif" | sed 's/^/    /'
	ldapmodify -x -H "$LDAP1_URI" -D "$LDAP_ADMIN_DN" \
		-w "$LDAP_ADMIN_PASSWORD" <<<"$ldif" | sed '/^$/d; s/^/  /'
	[ "${PIPESTATUS[0]}" -eq 0 ] || fail "the directory was not changed"
}

alice_logs_in_again() {
	local deadline=$((SECONDS + move_timeout_secs))

	until "$client" --quiet --expect "$imap3" "$imap1" alice \
		"$USER_PASSWORD" 2>/dev/null; do
		[ "$SECONDS" -lt "$deadline" ] ||
			fail "alice is not referred to imap3 after $move_timeout_secs s"
		sleep 0.1
	done
	printf '\n%s\n%s\n\n' \
		"imap1 remembers an answer for a time that is a setting: 1 s here, 60 s if nothing" \
		"is set. That has passed, and her next login shows the new home."
	"$client" --expect "$imap3" "$imap1" alice "$USER_PASSWORD" ||
		fail "alice should have come to imap3"
}

# set_state STATE [SUCCESSOR]: of imap1.
set_state() {
	local dn="cn=imap1,ou=servers,$LDAP_BASE"

	printf 'dn: %s\nchangetype: modify\n%s\n' "$dn" \
		"replace: imapServerState
imapServerState: $1
-
replace: imapHomeServer${2:+
imapHomeServer: $2}" | ldapmodify -x -H "$LDAP1_URI" -D "$LDAP_ADMIN_DN" \
		-w "$LDAP_ADMIN_PASSWORD" >/dev/null ||
		fail "the directory was not changed"
}

# greeting: the first line that imap1 says to who connects.
greeting() {
	local line

	exec 3<>"/dev/tcp/$IMAP1_HOST/$IMAP1_PORT" || fail "imap1 is not there"
	read -r -t "$move_timeout_secs" line <&3
	exec 3>&-
	printf '%s\n' "${line%$'\r'}"
}

# wait_for_greeting PATTERN
wait_for_greeting() {
	local deadline=$((SECONDS + move_timeout_secs))

	until [[ $(greeting) == $1 ]]; do
		[ "$SECONDS" -lt "$deadline" ] ||
			fail "imap1 still says: $(greeting)"
		sleep 0.1
	done
}

take_imap1_out_of_service() {
	scene "4. imap1 is taken out of service" \
		"Its own entry in LDAP says drain, and that imap2 takes over. Who is connected" \
		"works on; who connects now is sent away, before any password."
	printf '  %scn=imap1,ou=servers,%s: imapServerState: drain, imapHomeServer: %s%s\n\n' \
		"$blue" "$LDAP_BASE" "$imap2" "$plain"
	set_state drain "$imap2"
	wait_for_greeting '\* BYE *'
	printf '  S: %s\n\n' "$(greeting)"
	printf '%s\n\n' "And back: imapServerState: active."
	set_state active
	wait_for_greeting '\* OK *'
	printf '  S: %s\n' "$(greeting | cut -c -60)..."
}

prepare_alpine() {
	sed -e "s|@IMAP1@|$imap1|; s|@TLS_CA@|$TLS_CA|" \
		"$here/sandbox.d/pinerc" >"$SANDBOX_DIR/pinerc"
}

say_how_to_go_on() {
	local stop="$sandbox stop"

	if [ -n "${REFERRAL_SANDBOX_DIR:-}" ]; then
		stop="REFERRAL_SANDBOX_DIR=$(printf %q \
			"$REFERRAL_SANDBOX_DIR") $stop"
	fi
	cat <<END

${bold}Now try it yourself${plain}
The servers keep running. Users: alice, bob, carol, dave, erin; password: $USER_PASSWORD

Alpine follows referrals by itself. Log in as bob, and the message that you see is on imap2
(it asks for the password at each server):
  alpine -i -p $SANDBOX_DIR/pinerc
By hand; type "a1 LOGIN bob $USER_PASSWORD":
  openssl s_client -quiet -crlf -CAfile $TLS_CA -connect $IMAP1_HOST:$IMAP1_TLS_PORT
The directory:
  ldapsearch -x -LLL -H $LDAP1_URI -D $LDAP_ADMIN_DN -w $LDAP_ADMIN_PASSWORD -b $LDAP_BASE
Configuration, logs and mail of each server are in $SANDBOX_DIR.
To stop the servers and remove that folder:
  $stop
END
}

"$here/setup.sh"
start_afresh
say_who_lives_where
bob_logs_in
alice_opens_mailbox
move_alice
alice_logs_in_again
take_imap1_out_of_service
prepare_alpine
say_how_to_go_on
