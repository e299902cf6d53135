# Writes the configuration of UCI as stubborn.toml: stubborn_toml RESOLV_CONF. Wants OpenWrt's /lib/functions.sh, and
# `config_load stubborn` before. Names that UCI and the file have in common mean the same there.
# shellcheck shell=dash

# A string of TOML, whatever is in it.
toml_string() {
	printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\010\012-\037\177' | sed 's/\\/\\\\/g; s/"/\\"/g; s/	/\\t/g')"
}

_toml_append() {
	_toml_items="${_toml_items:+$_toml_items, }$(toml_string "$1")"
}

# toml_list SECTION UCI_LIST KEY: `KEY = ["…", "…"]`, or nothing where there is none.
toml_list() {
	_toml_items=
	config_list_foreach "$1" "$2" _toml_append
	[ -z "$_toml_items" ] || echo "$3 = [$_toml_items]"
}

# toml_text SECTION OPTION KEY: `KEY = "…"`.
toml_text() {
	local value
	config_get value "$1" "$2"
	[ -z "$value" ] || echo "$3 = $(toml_string "$value")"
}

# toml_flag SECTION OPTION KEY: `KEY = true`, where it is set.
toml_flag() {
	local value
	config_get value "$1" "$2"
	[ -n "$value" ] || return 0
	config_get_bool value "$1" "$2" 0
	if [ "$value" -eq 1 ]; then echo "$3 = true"; else echo "$3 = false"; fi
}

# toml_moment SECTION OPTION KEY: a moment stands without quotes, so nothing else is let through.
toml_moment() {
	local value
	config_get value "$1" "$2"
	case $value in
	'') ;;
	*[!0-9TZtz:.+-]*) echo "$3 = $(toml_string "$value")" ;;
	*) echo "$3 = $value" ;;
	esac
}

_toml_exception() {
	echo
	echo '[[exception]]'
	toml_text "$1" domain domain
	toml_text "$1" preset preset
	toml_flag "$1" exact exact
	toml_list "$1" network networks
	toml_flag "$1" address_in_name address-in-name
	toml_list "$1" client clients
	toml_moment "$1" until until
	toml_text "$1" mode mode
	toml_text "$1" reason reason
}

_toml_route() {
	echo
	echo '[[route]]'
	toml_text "$1" domain domain
	toml_text "$1" preset preset
	toml_list "$1" server servers
	toml_list "$1" network networks
}

_toml_local() {
	echo
	echo '[[local]]'
	toml_text "$1" name name
	toml_list "$1" address addresses
	toml_text "$1" types types
}

# fe80::1%wan as the file has it, with the interface's number: [fe80::1%2]:53
_toml_scoped() {
	local name="${1#*%}"
	case $1 in
	*%*) echo "[${1%%%*}%$(cat "${SYS_NET:-/sys/class/net}/$name/ifindex" 2>/dev/null || echo "$name")]:53" ;;
	*) echo "$1" ;;
	esac
}

# The servers of the interfaces: resolv.conf itself names dnsmasq, which asks stubborn.
_toml_servers() {
	local servers
	servers=$(toml_list main server servers)
	if [ -z "$servers" ] && [ -r "$1" ]; then
		_toml_items=
		# shellcheck disable=SC2013 # a word a line
		for _toml_server in $(sed -n 's/^nameserver[ 	]\{1,\}\([^ 	#]*\).*/\1/p' "$1"); do
			_toml_append "$(_toml_scoped "$_toml_server")"
		done
		[ -z "$_toml_items" ] || servers="servers = [$_toml_items]"
	fi
	[ -z "$servers" ] || echo "$servers"
}

stubborn_toml() {
	echo '# Made from /etc/config/stubborn: change it there.'
	local include
	config_get include main include
	[ -z "$include" ] || echo "include = [$(toml_string "$include")]"
	echo
	echo '[server]'
	toml_list main listen listen
	toml_list main allow_client allow-clients
	echo
	echo '[upstream]'
	_toml_servers "$1"
	toml_text main timeout timeout
	echo
	echo '[guard]'
	toml_text main mode mode
	toml_text main profile profile
	toml_text main on_block on-block
	toml_list main block block
	toml_list main unblock unblock
	toml_list main nat64 nat64
	echo
	echo '[cache]'
	toml_text main cache_size size
	echo
	echo '[log]'
	toml_text main log_level level
	config_foreach _toml_exception exception
	config_foreach _toml_route route
	config_foreach _toml_local local
}
