// What only works with a script: features are found by name, and all cards open at once. Without it nothing is missing.
(function () {
  var cards = Array.prototype.slice.call(document.querySelectorAll("details.card"));
  var rows = Array.prototype.slice.call(document.querySelectorAll("#overview tbody tr"));
  var tools = document.getElementById("tools");
  if (!tools) return;
  var field = document.getElementById("find"), found = document.getElementById("found");
  var features = cards.filter(function (card) { return card.dataset.feature !== undefined; });
  tools.hidden = false;
  field.addEventListener("input", function () {
    var wanted = field.value.trim().toLowerCase(), count = 0;
    features.forEach(function (card, place) {
      var there = card.dataset.feature.toLowerCase().indexOf(wanted) >= 0;
      card.hidden = !there;
      if (rows[place]) rows[place].hidden = !there;
      count += there;
    });
    found.textContent = wanted ? count + " of " + features.length + " features" : "";
  });
  function all(open) { cards.forEach(function (card) { card.open = open; }); }
  document.getElementById("open").addEventListener("click", function () { all(true); });
  document.getElementById("close").addEventListener("click", function () { all(false); });
  function reveal() {
    var aim = document.getElementById(location.hash.slice(1)), card = aim && aim.closest("details");
    if (card && !card.open) { card.open = true; aim.scrollIntoView(); }
  }
  window.addEventListener("hashchange", reveal);
  reveal();
})();
