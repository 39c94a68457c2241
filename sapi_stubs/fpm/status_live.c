/* status_live: the page for people. It is complete without its script, which only fetches it anew
 * each second and puts the new <main> in place of the old one.
 * Owns        the page's style and script.
 * Thread      any.
 * Invariants  I1  nothing is loaded from elsewhere
 *             I2  what clients sent appears escaped, as text or in quoted attributes
 * Failure     none.
 * Tests       tests/fpm/status.c, tests/fpm/status_page.sh
 */
#include "config.h"

#include "fpm/status_writer.h"

static const char style[] =
    ":root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--ink:#1c2430;--dim:#68748a;"
    "--line:#e3e7ee;--used:#2f6fde;--held:#b9d0f7;--hot:#d9822b;--full:#c93a3a;--idle:#a9b4c5}"
    "@media(prefers-color-scheme:dark){:root{--back:#12161d;--card:#1b212b;--ink:#e6eaf1;"
    "--dim:#8d99ad;--line:#2b3442;--used:#5b93f5;--held:#2a466f;--idle:#46526a}}"
    "*{box-sizing:border-box}body{margin:0;padding:1.5rem;background:var(--back);"
    "color:var(--ink);font:15px/1.45 system-ui,sans-serif}"
    "header{display:flex;gap:1rem;align-items:baseline;flex-wrap:wrap;margin-bottom:1rem}"
    "h1{font-size:1.35rem;margin:0}header p{margin:0;color:var(--dim)}"
    "button{margin-left:auto;font:inherit;padding:.25rem .8rem;border:1px solid var(--line);"
    "border-radius:6px;background:var(--card);color:inherit;cursor:pointer}"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(13rem,22%),1fr));"
    "gap:.8rem;"
    "margin-bottom:1rem}.card,table{background:var(--card);border:1px solid var(--line);"
    "border-radius:10px}.card{padding:.7rem .9rem}.card h2{font-size:.78rem;font-weight:600;"
    "margin:0;color:var(--dim)}.card b{font-size:1.5rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}.card small{color:var(--dim);white-space:nowrap}"
    ".frame{overflow-x:auto}table{width:100%;border-collapse:separate;border-spacing:0}"
    "th,td{padding:.45rem .7rem;text-align:left;border-bottom:1px solid var(--line);"
    "white-space:nowrap}tr:last-child td{border-bottom:0}th{font-size:.78rem;color:var(--dim)}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "td.uri{max-width:20rem;overflow:hidden;text-overflow:ellipsis}"
    ".state{padding:.1rem .55rem;border-radius:99px;font-size:.82rem;color:#fff;"
    "background:var(--used)}.s0{background:var(--idle)}.s7{background:var(--hot)}"
    ".s9{background:var(--full)}"
    ".bar{position:relative;width:11rem;height:.8rem;border-radius:4px;overflow:hidden;"
    "background:var(--line)}.bar i{position:absolute;left:0;top:0;bottom:0}"
    ".bar .held{background:var(--held)}.bar .used{background:var(--used)}"
    ".bar .peak{width:2px;margin-left:-2px;background:var(--hot)}"
    ".heap{display:flex;gap:.6rem;align-items:center}.heap small{color:var(--dim)}"
    ".stale{opacity:.45}";

static const char script[] =
    "let paused=false,last=null;const button=document.querySelector('button');"
    "button.hidden=false;button.onclick=()=>{paused=!paused;"
    "button.textContent=paused?'Resume':'Pause'};"
    "const rate=()=>{const at=document.querySelector('[data-requests]');"
    "const now=performance.now(),count=+at.dataset.requests;"
    "if(last)at.querySelector('small').textContent="
    "((count-last.count)*1000/(now-last.now)).toFixed(1)+' per second';last={now,count}};rate();"
    "setInterval(async()=>{if(paused)return;const main=document.querySelector('main');try{"
    "const answer=await fetch(location.href,{cache:'no-store'});"
    "if(!answer.ok)throw new Error(answer.status);"
    "const page=new DOMParser().parseFromString(await answer.text(),'text/html');"
    "main.replaceWith(page.querySelector('main'));rate()}catch(e){main.classList.add('stale')}},"
    "1000);";

/* ---- figures ---- */

static void put_bytes(status_writer *writer, uint64_t size)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double figure = (double)size;
    unsigned int unit = 0;
    while (figure >= 1024 && unit < 4) {
        figure /= 1024;
        unit++;
    }
    status_put(writer, unit == 0 || figure >= 100 ? "%.0f %s" : "%.1f %s", figure, units[unit]);
}

static void put_nanoseconds(status_writer *writer, uint64_t duration)
{
    if (duration < 1000000) {
        status_put(writer, "%.1f &micro;s", (double)duration / 1e3);
    } else if (duration < 1000000000) {
        status_put(writer, "%.1f ms", (double)duration / 1e6);
    } else {
        status_put(writer, "%.1f s", (double)duration / 1e9);
    }
}

/* The bound of the bucket that holds the given part of all observations; 0: there are none. */
static uint64_t percentile(const status_histogram *histogram, unsigned int per_cent)
{
    uint64_t total = 0, seen = 0;
    for (unsigned int bucket = 0; bucket < STATUS_BUCKET_COUNT; bucket++) {
        total += histogram->bucket[bucket];
    }
    for (unsigned int bucket = 0; total > 0 && bucket < STATUS_BUCKET_COUNT - 1; bucket++) {
        seen += histogram->bucket[bucket];
        if (seen * 100 >= total * per_cent) {
            return status_bucket_bound(bucket);
        }
    }
    return total == 0 ? 0 : status_bucket_bound(STATUS_BUCKET_COUNT - 2);
}

static double part(size_t size, size_t whole)
{
    double share = whole == 0 ? 0 : 100.0 * (double)size / (double)whole;
    return share > 100 ? 100 : share;
}

/* ---- pieces ---- */

static void put_card(status_writer *writer, const char *title, uint64_t figure, const char *note,
    uint64_t note_figure)
{
    status_put(writer, "<div class=\"card\"><h2>%s</h2><b>%llu</b> <small>%s %llu</small></div>\n",
        title, (unsigned long long)figure, note, (unsigned long long)note_figure);
}

static void put_memory_card(status_writer *writer, const status_pool *pool)
{
    status_put(writer, "<div class=\"card\"><h2>Memory of all heaps</h2><b>");
    put_bytes(writer, pool->process_memory);
    status_put(writer, "</b> <small>");
    if (pool->process_memory_limit != SIZE_MAX) {
        status_put(writer, "of ");
        put_bytes(writer, pool->process_memory_limit);
    } else {
        status_put(writer, "no limit");
    }
    status_put(writer, "</small></div>\n");
}

static void put_time_card(status_writer *writer, const char *title,
    const status_histogram *histogram)
{
    status_put(writer, "<div class=\"card\"><h2>%s</h2><b>&le; ", title);
    put_nanoseconds(writer, percentile(histogram, 50));
    status_put(writer, "</b> <small>99 %%: &le; ");
    put_nanoseconds(writer, percentile(histogram, 99));
    status_put(writer, "</small></div>\n");
}

static void put_cards(status_writer *writer, const status_pool *pool)
{
    status_put(writer, "<div class=\"cards\">\n");
    put_card(writer, "Busy workers", pool->active_count, "of", pool->total_count);
    status_put(writer, "<div class=\"card\" data-requests=\"%llu\"><h2>Requests</h2><b>%llu</b> "
        "<small></small></div>\n", (unsigned long long)pool->request_count,
        (unsigned long long)pool->request_count);
    put_card(writer, "Waiting connections", pool->listen_queue, "at most",
        pool->listen_queue_max);
    put_memory_card(writer, pool);
    put_time_card(writer, "Request time, median", &pool->request_time);
    put_time_card(writer, "Heap reset, median", &pool->reset_time);
    put_card(writer, "Memory limit hits", pool->limit_hit_count, "timeouts", pool->timeout_count);
    put_card(writer, "Slow requests", pool->slow_count, "clients gone", pool->abort_count);
    status_put(writer, "</div>\n");
}

/* A request that runs may hold more by now than its worker's last report. */
static size_t peak_of(const status_worker *worker)
{
    return worker->heap_peak > worker->heap_real_size ? worker->heap_peak : worker->heap_real_size;
}

/* Bytes of blocks on bytes held, against the limit; without one, against the peak. */
static void put_heap(status_writer *writer, const status_worker *worker)
{
    size_t peak = peak_of(worker);
    size_t whole = worker->heap_limit != SIZE_MAX ? worker->heap_limit : peak;
    status_put(writer, "<div class=\"heap\"><div class=\"bar\" title=\"");
    put_bytes(writer, worker->heap_size);
    status_put(writer, " of blocks, ");
    put_bytes(writer, worker->heap_real_size);
    status_put(writer, " held, ");
    put_bytes(writer, whole);
    status_put(writer, worker->heap_limit != SIZE_MAX ? " allowed" : " at most so far");
    status_put(writer, "\" role=\"meter\" aria-valuemin=\"0\" "
        "aria-valuemax=\"%zu\" aria-valuenow=\"%zu\"><i class=\"held\" style=\"width:%.1f%%\"></i>"
        "<i class=\"used\" style=\"width:%.1f%%\"></i><i class=\"peak\" style=\"left:%.1f%%\"></i>"
        "</div><span>", whole, worker->heap_size, part(worker->heap_real_size, whole),
        part(worker->heap_size, whole), part(peak, whole));
    put_bytes(writer, worker->heap_size);
    status_put(writer, "</span> <small>of ");
    put_bytes(writer, worker->heap_real_size);
    status_put(writer, "</small></div>");
}

static void put_worker(status_writer *writer, const status_worker *worker)
{
    status_put(writer, "<tr><td class=\"n\">%u</td><td class=\"n\">%d</td>"
        "<td><span class=\"state s%d\">%s</span></td><td class=\"n\">%llu</td><td>",
        worker->number, worker->tid, (int)worker->state, status_state_name(worker->state),
        (unsigned long long)worker->request_count);
    put_heap(writer, worker);
    status_put(writer, "</td><td class=\"n\">");
    put_bytes(writer, peak_of(worker));
    status_put(writer, "</td><td class=\"n\">");
    put_nanoseconds(writer, worker->reset_duration);
    status_put(writer, "</td><td class=\"n\">");
    put_nanoseconds(writer, worker->request_duration * 1000);
    status_put(writer, "</td><td>");
    status_put_escaped(writer, STATUS_ESCAPE_XML, worker->request_method);
    status_put(writer, "</td><td class=\"uri\" title=\"");
    status_put_escaped(writer, STATUS_ESCAPE_XML, worker->request_uri);
    status_put(writer, "\">");
    status_put_escaped(writer, STATUS_ESCAPE_XML, worker->request_uri);
    status_put(writer, "</td></tr>\n");
}

void status_write_live(status_writer *writer, const status_pool *pool)
{
    status_put(writer, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<link rel=\"icon\" "
        "href=\"data:,\">\n<title>");
    status_put_escaped(writer, STATUS_ESCAPE_XML, pool->name);
    status_put(writer, " - tsrmalloc-fpm</title>\n"
        "<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n<style>");
    status_put_bytes(writer, style, sizeof style - 1);
    status_put(writer, "</style></head>\n<body><header><h1>");
    status_put_escaped(writer, STATUS_ESCAPE_XML, pool->name);
    status_put(writer, "</h1><p>%s, up for %llu s</p><button hidden>Pause</button></header>\n"
        "<main>\n", pool->process_manager,
        (unsigned long long)(pool->now > pool->start_time ? pool->now - pool->start_time : 0));
    put_cards(writer, pool);
    status_put(writer, "<div class=\"frame\"><table>\n<thead><tr><th class=\"n\">#</th>"
        "<th class=\"n\">Thread</th><th>State</th><th class=\"n\">Requests</th><th>Heap</th>"
        "<th class=\"n\">Peak</th><th class=\"n\">Last reset</th><th class=\"n\">Duration</th>"
        "<th>Method</th><th>URI</th></tr></thead>\n<tbody>\n");
    for (size_t index = 0; index < pool->worker_count; index++) {
        put_worker(writer, &pool->workers[index]);
    }
    status_put(writer, "</tbody></table></div>\n</main>\n<script>");
    status_put_bytes(writer, script, sizeof script - 1);
    status_put(writer, "</script></body></html>\n");
}
