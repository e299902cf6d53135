# What the init script uses of OpenWrt's /lib/functions.sh and /lib/functions/procd.sh, as far as it uses it: the values of
# UCI's files in the directory UCI, and a note of every call of procd in the file CALLS.
# shellcheck shell=dash
# shellcheck disable=SC2034,SC2154 # variables by eval

_sections='' _count=0
config() {
	_count=$((_count + 1))
	_section=${2:-cfg$_count}
	_sections="$_sections $1:$_section"
}
option() { eval "_value_${_section}_$1=\$2"; }
list() {
	eval "_length=\${_length_${_section}_$1:-0}"
	_length=$((_length + 1))
	eval "_length_${_section}_$1=$_length; _item_${_section}_$1_$_length=\$2"
}
# A file of UCI is a script of the three words above, as `uci export` prints it.
config_load() {
	_sections='' _count=0
	# shellcheck disable=SC2046,SC1090 # names, one a word; a file that only a test knows
	unset $(set | sed -n 's/^\(_\(value\|length\|item\)_[A-Za-z0-9_]*\)=.*/\1/p') _none
	# shellcheck disable=SC1090
	. "$UCI/$1"
}
config_get() { eval "$1=\${_value_$2_$3-${4-}}"; }
config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1|on|true|yes|enabled) $1=1 ;; 0|off|false|no|disabled) $1=0 ;; *) $1=${4-} ;; esac"
}
config_foreach() {
	for _each in $_sections; do
		[ "${_each%%:*}" != "$2" ] || "$1" "${_each#*:}"
	done
}
config_list_foreach() {
	eval "_last=\${_length_$1_$2:-0}"
	_at=0
	while [ "$_at" -lt "$_last" ]; do
		_at=$((_at + 1))
		eval "$3 \"\$_item_$1_$2_$_at\""
	done
}

logger() { echo "logger $*" >>"$CALLS"; }
for _name in procd_open_instance procd_set_param procd_close_instance procd_send_signal procd_add_reload_trigger \
	procd_add_raw_trigger; do
	eval "$_name() { echo $_name \"\$*\" >>\"\$CALLS\"; }"
done
