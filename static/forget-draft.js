// A BOL was issued, or the user has logged out: removes the draft of the form for a new BOL from this tab.

sessionStorage.removeItem("new-bol");
