#!/bin/sh
# lua: scripts on the command line: where they come from, what they get, how they end.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

is() { [ "$(cat "$work/out")" = "$1" ] || { cat "$work/out" "$work/err"; return 1; }; }
script() { cat >"$work/$1"; }

run -r 'print("x")'
if grep -q 'no Lua' "$work/err"; then
    check "a build without Lua says so" status_is 1
    check_summary
    exit
fi

script say.lua <<'END'
#!/usr/bin/env tsrmalloc-cli
print(arg[0]:match("[^/]*$"), #arg, ...)
END
run "$work/say.lua" one -t two
check "a script gets what stands behind it" is "say.lua	3	one	-t	two"
check "exit status 0" status_is 0
check "a single run prints nothing else" nothing_on err
cp "$work/say.lua" "$work/say"
run -f "$work/say" -- -x
check "-f takes any name" is "say	1	-x"
run -r 'print(...)' 1 2
check "-r runs its text" is "1	2"
status=0
echo 'print("in", ...)' | "$cli" - 3 >"$work/out" 2>"$work/err" || status=$?
check "- reads standard input" is "in	3"
status=0
printf 'a body' | "$cli" -r 'print(request.read(2), request.body(), request.read())' \
    >"$work/out" 2>"$work/err" || status=$?
check "the body is standard input" is "a 	body	nil"

# ---- how scripts end ----

run -r 'os.exit(7)'
check "os.exit gives the exit status" status_is 7
run -r 'pcall(os.exit, 3) print("never")'
check "os.exit cannot be caught" status_is 3
check "nothing runs behind it" nothing_on out
run -r 'coroutine.wrap(function() pcall(os.exit, 4) end)() print("never")'
check "os.exit inside a coroutine" status_is 4
check "nothing runs behind that either" nothing_on out
run -r 'os.exit(false)'
check "os.exit(false) is 1" status_is 1
run no/such.lua
check "a script that is not there: exit status 1" status_is 1
check "and says why" err "no/such.lua: No such file or directory"
run -f .
check "a folder is no script" status_is 1
check "and says so" err ".: Is a directory"
run -r 'x = = 1'
check "a syntax error: exit status 255" status_is 255
check "with its place" err "-r:1: unexpected symbol near '='"
script deep.lua <<'END'
local function inner() error("it broke") end
inner()
END
run "$work/deep.lua"
check "an error: exit status 255" status_is 255
check "with its line" err "deep.lua:1: it broke"
check "and a traceback" err "in main chunk"
run -r 'error({})'
check "an error that is no text" err "(the error is a table value)"
run -d memory_limit=8M -r 'local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end'
check "the memory limit: exit status 255" status_is 255
check "in PHP's words" err "Allowed memory size of 8388608 bytes exhausted (tried to allocate "
run -d memory_limit=8M -r 'print(pcall(string.rep, "x", 100000000)) print("goes on")'
check "a script may catch it" is "false	not enough memory
goes on"
check "and goes on" status_is 0
USE_ZEND_ALLOC=0 run -n 3 -r 'print(#string.rep("x", 1000))'
check "on the C library's heap" is "1000
1000
1000"

run -r 'request.log("seen") print("done")'
check "request.log goes to standard error" err "tsrmalloc-cli: seen"
check "and to nothing else" is "done"

# ---- what is off ----

for gone in io dofile loadfile require package warn os.execute os.remove os.rename os.tmpname \
    os.setlocale debug.sethook debug.getregistry; do
    run -r "print($gone)"
    check "$gone is off" is nil
done
run -r 'print(pcall(setmetatable, {}, { __gc = print }))'
check "so are finalizers" is "false	__gc is off: a request's memory dies with the request"
run -r 'print(load(string.dump(function() end), "x", "b"))'
check "so is byte code" is "nil	attempt to load a binary chunk (mode is 't')"

# ---- workers and turns ----

run -t "$many" -n 5 -r 'print(1)'
check "$many workers, 5 turns: all run" [ "$(wc -l <"$work/out")" -eq $((many * 5)) ]
check "the table is on stderr" err "total $(printf '%9d' $((many * 5)))"
run --json -n 20 -r 'local t = {} for i = 1, 100 do t[i] = { i, tostring(i) } end print(#t)'
check "--json: only the object" [ "$(wc -l <"$work/out")" -eq 1 ]
operations=$(sed 's/.*"operations":\([0-9]*\),.*/\1/' "$work/out")
check "every turn makes the same allocations" [ $((operations % 20)) -eq 0 ]
run -n 3 -r 'error("e")'
check "a failed turn does not keep the next from running" err "request 3: -r:1: e"
check "nor hide its status" status_is 255

# ---- persistent ----

script counter.lua <<'END'
local kept, count = {}, 0
return function()
    count = count + 1
    kept[count] = string.rep("k", 1000) .. count
    print(count)
end
END
run --persistent -n 3 "$work/counter.lua"
check "--persistent: one state serves all" is "1
2
3"
run --persistent --json -n 200 "$work/counter.lua"
growth=$(sed 's/.*"growth":\([0-9]*\)}.*/\1/' "$work/out")
check "the growth of a request is told" [ "$growth" -ge 1000 ]
check "and is near what it keeps and drops" [ "$growth" -lt 5000 ]
script hungry.lua <<'END'
local count, kept = 0, {}
return function()
    count = count + 1
    print(count)
    if count == 2 then
        while true do kept[#kept + 1] = ("x"):rep(10000) .. #kept end
    end
end
END
run --persistent -d memory_limit=8M -n 3 "$work/hungry.lua"
check "a request at its limit ends the state, the next one loads it anew" is "1
2
1"
check "the limit is reported" err "request 2: Allowed memory size of "
script growing.lua <<'END'
local kept = {}
return function() kept[#kept + 1] = ("x"):rep(3000000) end
END
run --persistent -d memory_limit=8M -n 10 "$work/growing.lua"
check "the limit holds per request, not for what is kept" status_is 0
run --persistent -r 'return 1'
check "a script that gives no function" err "gave a number value, expected a function"
check "fails" status_is 255

check_summary
