# table.awk: reads the tables of small defects (alloc.txt, tsrm.txt; the format is explained there).
#     awk -v root=SRCDIR -f table.awk TABLE...               a line a mutant: NAME FILE BUILD TESTS
#     awk -v root=SRCDIR -v name=NAME -f table.awk TABLE...  the source file with the defect in it
# Every mutant's old lines must stand in its file exactly once, or the status is 1: a table that no
# longer fits the sources is an error, not a mutant that is left out.

function fail(what) {
    print FILENAME ": " mutant ": " what > "/dev/stderr"
    failed = 1
}

# Reads the file into source[1 .. source_count].
function read_source(path,    line, status) {
    source_count = 0
    while ((status = (getline line < path)) > 0) {
        source[++source_count] = line
    }
    close(path)
    if (status < 0) {
        fail("cannot read " path)
    }
}

function matches_at(at,    index_) {
    for (index_ = 1; index_ <= old_count; index_++) {
        if (source[at + index_ - 1] != old[index_]) {
            return 0
        }
    }
    return 1
}

function print_mutated(at,    line) {
    for (line = 1; line < at; line++) {
        print source[line]
    }
    for (line = 1; line <= new_count; line++) {
        print new[line]
    }
    for (line = at + old_count; line <= source_count; line++) {
        print source[line]
    }
}

function finish(    at, found, count) {
    if (mutant == "" || (name != "" && name != mutant)) {
        return
    }
    if (file == "" || tests == "" || old_count == 0) {
        fail("expected `file:`, `test:` and at least one `-` line")
        return
    }
    read_source(root "/" file)
    for (at = 1; at + old_count - 1 <= source_count; at++) {
        if (matches_at(at)) {
            count++
            found = at
        }
    }
    if (count != 1) {
        fail("its old lines stand in " file " " count + 0 " times, expected once: " old[1])
    } else if (name != "") {
        print_mutated(found)
        was_printed = 1
    } else {
        print mutant, file, build, tests
    }
}

/^= / {
    finish()
    mutant = $2
    file = tests = ""
    build = "plain"
    old_count = new_count = 0
    if (NF < 3 || mutant in seen) {
        fail("expected `= NAME SENTENCE`, and no name twice")
    }
    seen[mutant] = 1
    next
}
/^file: / { file = $2; next }
/^build: / { build = $2; next }
/^test: / { tests = substr($0, 7); next }
/^-/ { old[++old_count] = substr($0, 2); next }
/^\+/ { new[++new_count] = substr($0, 2); next }
/^#/ || /^$/ { next }
{ fail("line " FNR " is none of a table: " $0) }

END {
    finish()
    if (name != "" && !was_printed && !failed) {
        print "table.awk: " name ": no such mutant" > "/dev/stderr"
        failed = 1
    }
    exit failed
}
