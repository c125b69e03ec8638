"""F2: all contact with anything outside, behind the ports of app. Knows the nouns; judges and plans nothing."""
