# commands: redis commands whose answers do not depend on the order inside hashes and sets.
# Variables: scale.
function below(count) {
    state = (state * 16807) % 2147483647
    return state % count
}
function text(length_) {
    return substr(filler, 1, length_)
}
BEGIN {
    state = 20240607
    filler = "x"
    while (length(filler) < 20000)
        filler = filler filler
    for (number = 0; number < 6000 * scale; number++) {
        if (number == 3000 * scale) print "bgsave"
        key = below(400)
        kind = below(14)
        if (kind == 0) print "set string:" key, text(1 + below(3000))
        if (kind == 1) print "append string:" key, text(1 + below(200))
        if (kind == 2) print "get string:" key
        if (kind == 3) print "rpush list:" key, text(1 + below(100)), number, text(1 + below(9000))
        if (kind == 4) print "lrange list:" key, 0, 5
        if (kind == 5) print "lpop list:" key
        if (kind == 6) print "hset hash:" key % 40, "field" below(300), text(1 + below(400))
        if (kind == 7) print "hget hash:" key % 40, "field" below(300)
        if (kind == 8) print "zadd sorted:" key % 20, below(1000), "member" below(2000)
        if (kind == 9) print "zrange sorted:" key % 20, 0, 20, "withscores"
        if (kind == 10) print "sadd set:" key % 20, below(5000), "s" below(3000)
        if (kind == 11) print "scard set:" key % 20
        if (kind == 12) print (below(4) ? "del" : "unlink") " string:" key, "list:" below(400)
        if (kind == 13) print "xadd stream:" key % 10, number + 1 "-1 field", text(1 + below(300))
    }
    # Some that are large, made by scripts inside the server.
    print "eval \"for i=1,20000 do redis.call('hset','hash:large',i,string.rep('v',i%200)) end " \
        "return redis.call('hlen','hash:large')\" 0"
    print "eval \"local t={} for i=1,50000 do t[i]=string.rep('w',i%50) end " \
        "return #table.concat(t)\" 0"
    print "sort set:1 alpha limit 0 50"
    print "unlink hash:large"
    print "strlen string:1"
    print "dump list:3"
}
