// node_requests: PHP requests inside Node.js, on the threads of its pool.
//
//     node [--expose-gc] node_requests.cjs MODULE DOCUMENT_ROOT ROUNDS FILE...
//
// Each round asks for every file twice, all at once. Prints what each file answered, once for each
// answer that was another, sorted; then `resident N MiB`: the least that the process had after a round of
// the last quarter, above the least of the second one (without Node's own garbage, with --expose-gc).
const { createHash } = require('crypto');
const [modulePath, docroot, rounds, ...files] = process.argv.slice(2);
const { Php, Request } = require(modulePath);
const php = new Php({ docroot });

const ask = async (file) => {
  const response = await php.handleRequest(
    new Request({ method: 'GET', url: `http://localhost/${file}` }));
  const body = createHash('md5').update(response.body).digest('hex');
  return `${file} ${response.status} ${body} ${response.log.toString().trim()}`;
};

const resident = () => {
  global.gc?.();
  return process.memoryUsage().rss;
};

(async () => {
  const answers = new Set();
  const least = [Infinity, Infinity, Infinity, Infinity];   // of each quarter
  for (let round = 0; round < rounds; round++) {
    for (const answer of await Promise.all([...files, ...files].map(ask))) {
      answers.add(answer);
    }
    const quarter = Math.floor(round * 4 / rounds);
    least[quarter] = Math.min(least[quarter], resident());
  }
  console.log([...answers].sort().join('\n'));
  const grown = rounds < 4 ? 0 : Math.max(0, least[3] - least[1]);
  console.log(`resident ${Math.round(grown / 1048576)} MiB`);
})();
