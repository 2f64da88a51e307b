const [how] = process.argv.slice(2);
if (how === 'exit') process.exit(3);
if (how === 'talk' || how === 'stay') process.send?.('hello');
if (how === 'hang' || how === 'stay') setInterval(() => {}, 1_000);
