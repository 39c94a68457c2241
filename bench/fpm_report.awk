# fpm_report.awk: the figures of fpm_compare.sh as Markdown. Each line is a round, a row, a server,
# what was measured, the figure; between tabs. A figure is the median over the rounds, a ratio the
# median of the ratios in each round: machines drift.

function median(list, n,    i, j, t) {
    for (i = 2; i <= n; i++) {
        for (j = i; j > 1 && list[j] < list[j - 1]; j--) {
            t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
        }
    }
    return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function has(row, server, what) { return (row, server, what) in last }

function middle(row, server, what,    list, n, round) {
    n = 0
    for (round = 0; round <= rounds; round++) {
        if ((row, server, what, round) in figure) { list[++n] = figure[row, server, what, round] }
    }
    return n ? median(list, n) : 0
}

# The second server's figure divided by the first one's.
function ratio(row, one, other, what,    list, n, round) {
    n = 0
    for (round = 1; round <= rounds; round++) {
        if ((row, one, what, round) in figure && figure[row, one, what, round] > 0) {
            list[++n] = figure[row, other, what, round] / figure[row, one, what, round]
        }
    }
    return n ? median(list, n) : 0
}

function verdict(holds) { return holds ? "met" : "**missed**" }

# rate: least ratio of the requests a second, 0 = no goal; tail: p99 must be lower, too.
function speed_row(row, title, rate, tail,    r, t, goal, said) {
    if (!has(row, "ours", "rate")) { return }
    r = ratio(row, "php", "ours", "rate")
    t = ratio(row, "php", "ours", "p99")
    goal = rate == 0 ? "-" : rate == 1 ? "more" : ">= " rate " times"
    goal = goal (tail ? ", lower p99" : "")
    said = rate == 0 ? "-" : verdict((rate == 1 ? r > 1 : r >= rate) && (!tail || t < 1) && errors[row, "ours"] == 0)
    printf "| %s | %.0f | %.0f | %.2f | %.0f / %.0f | %.0f / %.0f | %d / %d | %s | %s |\n", title,
        middle(row, "php", "rate"), middle(row, "ours", "rate"), r,
        middle(row, "php", "p50"), middle(row, "php", "p99"),
        middle(row, "ours", "p50"), middle(row, "ours", "p99"),
        errors[row, "php"], errors[row, "ours"], goal, said
}

function speed_rows() {
    print "| | php-fpm req/s | ours req/s | ratio | php-fpm p50 / p99 (us) | ours p50 / p99 (us) |" \
        " errors, php-fpm / ours | goal | |"
    print "|---|---|---|---|---|---|---|---|---|"
    speed_row("ping1", "ping, 1 client, kept connection", 2, 0)
    speed_row("ping64", "ping, 64 clients, kept connections", 2, 0)
    speed_row("nginx1", "ping through nginx, 1 client", 1, 0)
    speed_row("nginx64", "ping through nginx, 64 clients", 1, 0)
    speed_row("page8", "page, " workers " clients, kept connections", 1, 1)
    speed_row("page64new", "page, 64 clients, new connections", 1, 1)
    speed_row("nginxpage", "page through nginx, 64 clients", 1, 1)
    speed_row("tables8", "page by way of tables, " workers " clients", 0, 0)
    speed_row("ping8", "ping, " workers " clients, kept connections", 0, 0)
    speed_row("ping64new", "ping, 64 clients, new connections", 0, 0)
}

function other_rows(    t, grown) {
    print "\n| | php-fpm | ours | goal | |\n|---|---|---|---|---|"
    printf "| heap reset, share of the request (page) | - | %.2f %% | < 1 %% | %s |\n",
        middle("reset", "ours", "share"), verdict(middle("reset", "ours", "share") < 1)
    t = ratio("idle", "alone", "beside", "p99")
    printf "| p99 of ping, %d clients: alone, beside %d idle connections | - | %.0f us, %.0f us" \
        " (%.2f times) | unchanged (<= 1.1 times) | %s |\n", workers, idle,
        middle("idle", "alone", "p99"), middle("idle", "beside", "p99"), t, verdict(t <= 1.1)
    printf "| RSS of an idle worker | %.2f MiB | %.2f MiB | <= 3 MiB | %s |\n",
        middle("memory", "php", "idle-rss"), middle("memory", "ours", "idle-rss"),
        verdict(middle("memory", "ours", "idle-rss") <= 3)
    printf "| RSS of a worker that has served pages | %.2f MiB | %.2f MiB | - | - |\n",
        middle("memory", "php", "used-rss"), middle("memory", "ours", "used-rss")
    printf "| Pss of an idle worker; of one that has served pages | %.2f; %.2f MiB | %.2f; %.2f MiB" \
        " | - | - |\n", middle("memory", "php", "idle-pss"), middle("memory", "php", "used-pss"),
        middle("memory", "ours", "idle-pss"), middle("memory", "ours", "used-pss")
    if (has("mixed", "ours", "requests")) {
        grown = middle("mixed", "ours", "after") / middle("mixed", "ours", "before")
        printf "| %d requests with scaling, recycling (%d threads started), %d reloads, status polling" \
            " | - | %d errors; RSS %.1f to %.1f MiB | 0 errors, RSS flat (<= 1.25 times) | %s |\n",
            middle("mixed", "ours", "requests"), middle("mixed", "ours", "starts"),
            middle("mixed", "ours", "reloads"), middle("mixed", "ours", "errors"),
            middle("mixed", "ours", "before") / 1024, middle("mixed", "ours", "after") / 1024,
            verdict(middle("mixed", "ours", "errors") == 0 && grown <= 1.25)
    }
    print "\nRSS of ours is that of the whole process divided by its workers. php-fpm's is a child's,"
    print "what it shares with the others included; Pss counts that once."
}

{
    figure[$2, $3, $4, $1] = $5 + 0
    last[$2, $3, $4] = $1
    rounds = $1 > rounds ? $1 : rounds
    if ($4 == "errors") { errors[$2, $3] += $5 }
}
END { print ""; speed_rows(); other_rows() }
