# shellcheck shell=sh
# requests.sh: one list of requests for every client: web servers of all kinds must get the same
# answers of tsrmalloc-fpm. To be sourced behind support.sh; $work/root is a copy of tests/fpm/root.
#
#   list_requests              writes the list: a directory each below $work/requests
#   all_by_curl PREFIX OPTION...   asks for all of them, on one connection, URIs behind PREFIX
#   all_by_cgi_fcgi SOCKET     the same with the tool of the FastCGI library, a connection each
#   all_by_fcgi_inc SOCKET FCGI_INC    the same with the client of php-fpm's tests, on one connection
#   requests_listed            how many there are
#
# The askers print what was wrong, and fail if anything was.

requests_listed() { find "$work/requests" -name uri | wc -l; }

# request STATUS WANT METHOD URI [BYTES [HEADER...]]: WANT is `is TEXT`, `has TEXT`, `size N`,
# `sent` (the body comes back) or `any`, or empty: no body; BYTES is the body's size or, beginning with @, the body itself.
request() {
    request_number=$((request_number + 1))
    request_at=$work/requests/$(printf '%03d' $request_number)
    mkdir -p "$request_at"
    echo "$1" >"$request_at/status"
    printf '%s\n' "$2" >"$request_at/want"
    echo "$3" >"$request_at/method"
    echo "$4" >"$request_at/uri"
    case ${5-} in
        '') ;;
        @*) printf '%s' "${5#@}" >"$request_at/sent" ;;
        *) head -c "$5" /dev/urandom >"$request_at/sent" ;;
    esac
    shift 4
    [ $# -eq 0 ] || shift
    for request_header in "$@"; do echo "$request_header"; done >"$request_at/headers"
}

list_requests() {
    request_number=0
    echo 'print("no")' >"$work/root/secret.txt"
    list_pages
    list_bodies
    list_headers
    list_answers
}

list_pages() {
    plain='method GET
body 0'
    request 200 'is pong' GET /ping
    request 200 'has pool:                 www' GET /status
    request 200 'has "pool":"www"' GET '/status?json'
    request 200 '' HEAD /ping
    request 200 '' HEAD /echo.lua
    request 200 '' HEAD '/large.lua?size=100000'
    request 200 "is $plain" GET /echo.lua
    for pair in a=1 a=x%20y:x\ y a=x+y:x\ y 'a=1%262%3D3:1&2=3' 'a=%22%3C%27:"<'\' a= \
        a=%C3%A4:ä a=100%25:100% "a=$(printf '%04000d' 7)"; do
        value=${pair#*:}
        request 200 "is method GET
get a=${value#a=}
body 0" GET "/echo.lua?${pair%%:*}"
    done
    request 200 'is method GET
get a=1
get b=2
get c=3
body 0' GET '/echo.lua?c=3&a=1&b=2'
    # One behind the other: the connection that is kept has nothing left of the one before.
    for turn in 1 2 3 4 5; do
        request 200 "is method GET
get turn=$turn
body 0" GET "/echo.lua?turn=$turn"
    done
    request 200 'is path /one/two' GET '/tell.lua/one/two?path=1'
    request 200 'is path /x y' GET '/tell.lua/x%20y?path=1'
}

list_bodies() {
    for size in 0 1 4096 16384 65535 65536 1048576; do
        request 200 sent POST '/echo.lua?echo=1' $size 'Content-Type: application/octet-stream'
    done
    request 200 'is method POST
body 16384' POST /echo.lua 16384 'Content-Type: application/octet-stream'
    request 200 'is method PUT
body 5' PUT /echo.lua @12345 'Content-Type: text/plain'
    request 200 'is method PATCH
body 3' PATCH /echo.lua @123 'Content-Type: text/plain'
    request 200 'is method DELETE
body 0' DELETE /echo.lua
    request 200 'is post name=a b&c
post other=ä' POST '/tell.lua?post=1' '@name=a+b%26c&other=%C3%A4' \
        'Content-Type: application/x-www-form-urlencoded'
}

list_headers() {
    request 200 'is X-One=1' GET '/tell.lua?header=X-One' '' 'X-One: 1'
    request 200 'is X-Odd=a "b" <c>; d=%41' GET '/tell.lua?header=X-Odd' '' \
        'X-Odd: a "b" <c>; d=%41'
    request 200 'is X-None=nil' GET '/tell.lua?header=X-None'
    request 200 'is Cookie=one=1; two=a%20b' GET '/tell.lua?header=Cookie' '' \
        'Cookie: one=1; two=a%20b'
    request 200 'is Accept-Language=de, en;q=0.5' GET '/tell.lua?header=Accept-Language' '' \
        'Accept-Language: de, en;q=0.5'
    long=$(printf '%03000d' 1)
    request 200 "is X-Long=$long" GET '/tell.lua?header=X-Long' '' "X-Long: $long"
    set --
    for number in $(seq 40); do set -- "$@" "X-Many-$number: $number"; done
    request 200 'is x-many 40' GET '/tell.lua?count=x-many' '' "$@"
}

list_answers() {
    for size in 0 1 32768 65528 65529 1000000; do
        request 200 "size $size" GET "/large.lua?size=$size"
    done
    request 200 'size 20000' GET '/tell.lua?pieces=20'
    for status in 201 302 404 418 500 503; do
        request $status "is status $status" GET "/tell.lua?status=$status"
    done
    request 404 any GET /none.lua
    request 404 any POST /none.lua 16384 'Content-Type: application/octet-stream'
    request 403 any GET /secret.txt
    request 200 'is pong' GET /ping
}

# ---- clients ----

# What curl is to do with the request in directory $1, whose URI stands behind $2.
curl_request() {
    method=$(cat "$1/method")
    printf 'url = "%s%s"\noutput = "%s/got"\nwrite-out = "%%{http_code}\\n"\n' "$2" \
        "$(cat "$1/uri")" "$1"
    if [ "$method" = HEAD ]; then echo head; else echo "request = $method"; fi
    [ ! -e "$1/sent" ] || echo "data-binary = \"@$1/sent\""
    sed 's/["\\]/\\&/g; s/.*/header = "&"/' "$1/headers"
    # No `Expect`, which makes curl wait for a second where the server knows none.
    printf '%s\n' 'header = "Expect:"' globoff silent show-error 'max-time = 30'
}

all_by_curl() {
    prefix=$1
    shift
    rm -f "$work"/requests/*/got*
    for directory in "$work"/requests/*; do
        [ "$directory" = "$work/requests/001" ] || echo next
        for option in "$@"; do echo "$option"; done
        curl_request "$directory" "$prefix"
    done >"$work/requests.curl"
    curl -K "$work/requests.curl" >"$work/requests.status" || return 1
    for directory in "$work"/requests/*; do
        read -r status && echo "$status" >"$directory/got.status"
        [ "$(cat "$directory/method")" != HEAD ] || without_head "$directory/got"
    done <"$work/requests.status"
    all_are_right
}

without_head() { LC_ALL=C sed -i '1,/^\r\{0,1\}$/d' "$1"; }

# What a web server makes of the request in $1, into its file `variables`: headers are variables, and the
# path behind a script is told apart.
write_variables() {
    uri=$(cat "$1/uri")
    path=${uri%%\?*} query=
    [ "$path" = "$uri" ] || query=${uri#*\?}
    path_info=${path#*.lua}
    [ "$path_info" != "$path" ] || path_info=
    script=${path%"$path_info"}
    {
        printf '%s\n' "REQUEST_METHOD=$(cat "$1/method")" "SCRIPT_NAME=$script" "REQUEST_URI=$uri" \
            "SCRIPT_FILENAME=$work/root$script" "QUERY_STRING=$query" "DOCUMENT_ROOT=$work/root"
        [ -z "$path_info" ] || echo "PATH_INFO=$path_info" | sed 's/%20/ /'
        [ ! -e "$1/sent" ] || echo "CONTENT_LENGTH=$(stat -c %s "$1/sent")"
        while IFS= read -r header; do
            name=$(echo "${header%%:*}" | tr a-z- A-Z_)
            [ "$name" = CONTENT_TYPE ] || name=HTTP_$name
            printf '%s\n' "$name=${header#*: }"
        done <"$1/headers"
    } >"$1/variables"
}

cgi_fcgi_request() {
    write_variables "$1"
    directory=$1
    body=$directory/sent
    [ -e "$body" ] || body=/dev/null
    set --
    while IFS= read -r variable; do set -- "$@" "$variable"; done <"$directory/variables"
    env -i PATH="$PATH" "$@" cgi-fcgi -bind -connect "$socket" <"$body" >"$directory/got"
    LC_ALL=C sed -n 's/^Status: \([0-9]*\).*/\1/p; /^\r\{0,1\}$/q' "$directory/got" \
        >"$directory/got.status"
    [ -s "$directory/got.status" ] || echo 200 >"$directory/got.status"
    without_head "$directory/got"
}

all_by_cgi_fcgi() {
    socket=$1
    rm -f "$work"/requests/*/got*
    for directory in "$work"/requests/*; do cgi_fcgi_request "$directory"; done
    all_are_right
}

# It sends a body as one record, which holds 65,535 bytes: requests with longer ones stand aside meanwhile.
all_by_fcgi_inc() {
    set -- "$2" "$1"
    mkdir "$work/aside"
    rm -f "$work"/requests/*/got*
    for directory in "$work"/requests/*; do
        if [ -e "$directory/sent" ] && [ "$(stat -c %s "$directory/sent")" -gt 65535 ]; then
            mv "$directory" "$work/aside"
            continue
        fi
        write_variables "$directory"
        set -- "$@" "$directory"
    done
    good=0
    php8.2 -n "$abs_top_srcdir/tests/fpm/requests.php" "$@" && all_are_right || good=1
    mv "$work/aside"/* "$work/requests" && rmdir "$work/aside" || good=1
    return $good
}

# ---- answers ----

is_right() {
    [ "$(cat "$1/got.status")" = "$(cat "$1/status")" ] || return 1
    want=$(cat "$1/want")
    [ -e "$1/got" ] || : >"$1/got"      # curl makes no file of an empty body
    case $want in
        any) ;;
        '') [ ! -s "$1/got" ] ;;
        sent) cmp -s "$1/sent" "$1/got" ;;
        'size '*) [ "$(stat -c %s "$1/got")" -eq "${want#size }" ] ;;
        'has '*) grep -qF "${want#has }" "$1/got" ;;
        'is '*) [ "$(cat "$1/got")" = "${want#is }" ] ;;
        *) return 1 ;;
    esac
}

all_are_right() {
    wrong=0
    for directory in "$work"/requests/*; do
        is_right "$directory" && continue
        wrong=1
        echo "$(cat "$directory/method" "$directory/uri" | tr '\n' ' ' | cut -c 1-100):" \
            "status $(cat "$directory/got.status"), $(stat -c %s "$directory/got") bytes;" \
            "wanted $(cat "$directory/status"), $(head -c 100 "$directory/want")"
        head -c 200 "$directory/got"
        echo
    done
    return $wrong
}
