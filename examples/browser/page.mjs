/** The page: a photo is classified by the compressed network, and by the original where that is there. */
import { bestAnswers, findConfiguration, findNetwork, placeInWords, run } from './network.mjs';
import { decode, preprocess } from './preprocess.mjs';

const parameters = new URLSearchParams(location.search);
const device = parameters.get('device') === 'webgpu' ? 'webgpu' : 'wasm';
const folderOf = (name) => new URL(`${name}/`, location.href);
const names = { faster: parameters.get('model') ?? 'faster', original: parameters.get('original') ?? 'original' };

const [file, photo, results, status] = ['file', 'photo', 'results', 'status'].map((id) => document.getElementById(id));

/** Runs that are timed when the runtime is warm; fewer where they take long. */
const warm = { runs: 5, milliseconds: 3000 };

/** Networks that run, the compressed one first; a column each. */
const networks = [];
/** `config.json` of the original, for names of classes. */
let original;

async function load() {
  const configuration = await findConfiguration(folderOf(names.faster));
  const faster = configuration && (await findNetwork(folderOf(names.faster), configuration, device));
  if (faster === undefined) throw new Error(`there is no model folder “${names.faster}” beside this page.`);
  networks.push({ ...faster, title: names.faster });
  original = await findConfiguration(folderOf(names.original));
  const compared = original && (await findNetwork(folderOf(names.original), original, device));
  if (compared !== undefined) networks.push({ ...compared, title: `${names.original} (the original)` });
}

/** A network's column: its title, its classes, and a line for its times. */
function addColumn({ title, configuration }, logits) {
  const column = document.createElement('section');
  const heading = document.createElement('h2');
  const table = document.createElement('table');
  const time = document.createElement('p');
  heading.textContent = title;
  const answers = bestAnswers(logits, configuration, original);
  for (const { name, words } of answers) {
    const row = table.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().textContent = words;
  }
  column.append(heading, table, time);
  results.append(column);
  return { time, best: answers[0] };
}

const pause = () => new Promise((resume) => setTimeout(resume));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The photo in question; an older one is given up. */
let current;

async function classify(blob) {
  const image = await decode(blob).catch(() => undefined);
  if (current !== blob) return;
  if (image === undefined) {
    photo.hidden = true;
    status.textContent = `“${blob.name}” is no image that this browser can decode.`;
    return;
  }
  const columns = [];
  for (const network of networks) {
    const input = preprocess(image, network.processor);
    const { logits, milliseconds } = await run(network, input);
    if (current !== blob) return;
    columns.push({ network, input, first: milliseconds, wasCold: network.isCold, ...addColumn(network, logits) });
    network.isCold = false;
    await pause();
  }
  status.textContent = `Measuring ${placeInWords(device)} …`;
  const times = columns.map(() => []);
  const start = performance.now();
  // In turns, so that a busy moment meets both networks.
  for (let round = 0; round < warm.runs && (round === 0 || performance.now() - start < warm.milliseconds); round++) {
    for (const [index, { network, input }] of columns.entries()) {
      await pause();
      const { milliseconds } = await run(network, input);
      if (current !== blob) return;
      times[index].push(milliseconds);
    }
  }
  for (const [index, { time, first, wasCold }] of columns.entries()) {
    const { length } = times[index];
    const cold = wasCold ? `; the first one ever, with all that is prepared in it, took ${first.toFixed(1)} ms` : '';
    time.textContent = `${median(times[index]).toFixed(1)} ms a run, median of ${length}${cold}`;
  }
  status.textContent = summary(columns, times.map(median));
}

/** What it comes to, in a sentence or two. */
function summary([faster, compared], [own, other]) {
  if (compared === undefined) {
    return `Run ${placeInWords(device)}. To compare, export the original into the folder “${names.original}”, as the tutorial says.`;
  }
  const same =
    faster.best.index === compared.best.index
      ? 'Both say the same'
      : `They differ: ${faster.best.name} instead of ${compared.best.name}`;
  return `${same}; ${(other / own).toFixed(2)} times as fast, ${placeInWords(device)}.`;
}

/** Runs work and shows what goes wrong. */
async function shown(work) {
  try {
    await work();
  } catch (error) {
    status.textContent = `That went wrong: ${error.message}`;
  }
}

await shown(async () => {
  await load();
  status.textContent = 'Choose a photo.';
  file.disabled = false;
});

/** A session runs one photo at a time. */
let queue = Promise.resolve();

file.addEventListener('change', () => {
  const [blob] = file.files;
  if (blob === undefined) return;
  current = blob;
  // What an earlier photo was taken for must not stand beside this one.
  results.replaceChildren();
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(blob);
  photo.hidden = false;
  status.textContent = `Looking at “${blob.name}” …`;
  queue = queue.then(() => (current === blob ? shown(() => classify(blob)) : undefined));
});
